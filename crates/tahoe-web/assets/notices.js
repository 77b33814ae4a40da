// Tells what has happened, to eyes and to screen readers, and offers to undo it.

const main = document.querySelector("main");
const [box, news] = [region("notice"), region("news")];
main.prepend(box);
// It stays at the lower edge of the screen, so that nothing moves under anybody's eyes.
main.append(news);
let works = 0;

export function announce(text, action) {
  show(box, text, action);
}

// Tells what others have done, beside what was told of this page's own work.
export function tellNews(text) {
  if (text) show(news, text, { word: "Close", run() {} });
}

// A button takes what is told away.
function show(region, text, action) {
  const shown = paragraph("good", text);
  if (action) {
    const button = document.createElement("button");
    Object.assign(button, { type: "button", textContent: action.word });
    button.addEventListener("click", () => {
      region.replaceChildren();
      action.run();
    });
    shown.append(" ", button);
  }
  region.replaceChildren(shown);
}

// Runs something that may fail, and tells why it did, besides what was told.
export async function attempt(work) {
  works += 1;
  try {
    await work();
  } catch (error) {
    const isTold = [...box.children].some((told) => told.textContent === error.message);
    if (!isTold) box.append(paragraph("bad", error.message));
  } finally {
    works -= 1;
  }
}

// Whether something that `attempt` runs isn't over yet.
export function isWorking() {
  return works > 0;
}

function region(id) {
  const region = document.createElement("div");
  region.id = id;
  region.setAttribute("role", "status");
  return region;
}

function paragraph(kind, text) {
  const shown = document.createElement("p");
  shown.className = `summary ${kind}`;
  const words = document.createElement("span");
  words.textContent = text;
  shown.append(words);
  return shown;
}
