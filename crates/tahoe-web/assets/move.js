// Asks for a directory: begins with the one that is shown, and goes up as far as the page's trail.

import { directoriesIn } from "./changes.js";

const dialog = document.getElementById("move");

// Resolves to the directory's name and path, and to what moves call it; to nothing if the person changes their mind.
export async function chooseDirectory(moved) {
  let trail = [...document.querySelectorAll(".trail a")].map((link) => ({
    name: link.textContent,
    path: link.getAttribute("href"),
  }));
  let chosen;
  const go = async (next) => {
    trail = next;
    const here = trail.at(-1);
    const { target, names } = await directoriesIn(here.path);
    chosen = { ...here, target };
    document.getElementById("move-place").textContent = trail.map(({ name }) => name).join(" / ");
    document.getElementById("move-here").disabled = !target;
    const up = trail.length > 1 ? [place("Up", () => go(trail.slice(0, -1)))] : [];
    const down = names.filter((name) => !moved.includes(name)).map((name) => {
      const path = `${here.path}${encodeURIComponent(name)}/`;
      return place(name, () => go([...trail, { name, path }]));
    });
    document.getElementById("move-places").replaceChildren(...up, ...down);
  };
  await go(trail);
  dialog.returnValue = "";
  dialog.showModal();
  await new Promise((closed) => dialog.addEventListener("close", closed, { once: true }));
  return dialog.returnValue === "move" ? chosen : undefined;
}

function place(name, go) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "quiet", textContent: name });
  button.addEventListener("click", go);
  item.append(button);
  return item;
}
