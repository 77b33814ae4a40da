// Tells what has happened, to eyes and to screen readers, and offers to undo it.

const box = document.createElement("div");
box.id = "notice";
box.setAttribute("role", "status");
document.querySelector("main").prepend(box);

export function announce(text, action) {
  const shown = document.createElement("p");
  shown.className = "summary good";
  shown.append(text);
  if (action) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", textContent: action.word });
    button.addEventListener("click", () => {
      box.replaceChildren();
      action.run();
    });
    shown.append(" ", button);
  }
  box.replaceChildren(shown);
}

// Runs something that may fail, and tells why it did, besides what was told.
export async function attempt(work) {
  try {
    await work();
  } catch (error) {
    const shown = document.createElement("p");
    shown.className = "summary bad";
    shown.textContent = error.message;
    box.append(shown);
  }
}
