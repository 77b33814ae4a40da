// Shows the page behind a link with `data-dialog` in a dialog, on top of this one.

import { attempt } from "./notices.js";

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-dialog]");
  const isPlain = !event.ctrlKey && !event.metaKey && !event.shiftKey;
  if (!link || !isPlain) return;
  event.preventDefault();
  attempt(() => open(link.href));
});

async function open(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(await answer.text());
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const dialog = document.createElement("dialog");
  dialog.className = "page";
  const heading = page.querySelector("h1");
  heading.id = "dialog-title";
  dialog.setAttribute("aria-labelledby", heading.id);
  const close = document.createElement("button");
  Object.assign(close, { type: "button", className: "quiet close", textContent: "Close" });
  close.addEventListener("click", () => dialog.close());
  dialog.append(close, ...page.querySelector("main").childNodes);
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
