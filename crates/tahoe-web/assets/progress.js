// Shows how far uploads are: each that goes on or failed, and all together.

import { pace, size } from "./amounts.js";
import { announce } from "./notices.js";
import { isOpen } from "./uploads.js";

const REFRESH = 200; // milliseconds
const SHOWN = 50; // files at most

export function showProgress(uploads, whenDone) {
  const [panel, bar, text, list, cancel, dismiss] = [
    "progress", "progress-bar", "progress-text", "progress-files", "cancel-all", "dismiss",
  ].map((id) => document.getElementById(id));
  let scheduled = false;
  let wasActive = false;
  let started = 0;

  cancel.addEventListener("click", () => uploads.cancelAll());
  dismiss.addEventListener("click", () => uploads.clear());
  addEventListener("beforeunload", (event) => {
    if (uploads.items.some(isOpen)) event.preventDefault();
  });
  uploads.addEventListener("change", () => {
    if (uploads.items.some(isOpen) && !wasActive) {
      wasActive = true;
      started = performance.now();
    }
    if (scheduled) return;
    scheduled = true;
    setTimeout(draw, REFRESH);
  });

  function draw() {
    scheduled = false;
    const items = uploads.items;
    const open = items.filter(isOpen);
    const isActive = open.length > 0;
    panel.hidden = items.length === 0;
    cancel.hidden = !isActive;
    dismiss.hidden = isActive;
    bar.value = part(items);
    text.textContent = isActive ? going(items, started) : ended(items);
    const wanted = items.filter((item) => !["waiting", "done", "cancelled"].includes(item.state));
    list.replaceChildren(...wanted.slice(0, SHOWN).map((item) => line(item, uploads)));
    if (wasActive && !isActive) {
      announce(ended(items));
      whenDone();
    }
    wasActive = isActive;
  }
}

// Which part is sent; files count a little besides their bytes, so that empty ones count, too.
function part(items) {
  const weight = (item) => item.size + 1024;
  const done = items.map((item) => (isOpen(item) ? item.sent : weight(item)));
  const all = sum(items.map(weight));
  return all === 0 ? 0 : sum(done) / all;
}

function going(items, started) {
  const [bytes, sent] = [sum(items.map((item) => item.size)), sum(items.map((item) => item.sent))];
  const files = filesOf(items);
  const ended = files.filter((item) => !isOpen(item)).length;
  return [
    `${ended} of ${files.length} files`,
    `${size(sent)} of ${size(bytes)}`,
    ...pace(sent, bytes - sent, started),
  ].join(", ");
}

function ended(items) {
  const count = (state) => filesOf(items).filter((item) => item.state === state).length;
  const words = [
    ["done", "stored"],
    ["exists", "not replaced"],
    ["failed", "failed"],
    ["cancelled", "cancelled"],
  ];
  const parts = words.map(([state, word]) => [count(state), word]).filter(([count]) => count > 0);
  return parts.map(([count, word]) => `${count} ${count === 1 ? "file" : "files"} ${word}`).join(", ");
}

// Empty directories are made on the side, unless there is nothing else.
function filesOf(items) {
  const files = items.filter((item) => item.file);
  return files.length > 0 ? files : items;
}

function line(item, uploads) {
  const name = item.path.join("/");
  const row = document.createElement("li");
  const label = document.createElement("span");
  label.textContent = `${name}: ${describe(item)}`;
  row.append(label);
  if (isOpen(item)) {
    const bar = document.createElement("progress");
    Object.assign(bar, { max: Math.max(item.size, 1), value: item.sent });
    bar.setAttribute("aria-label", name);
    row.append(bar, button("Cancel", name, () => uploads.cancel(item)));
  } else {
    row.className = "failed";
    const word = item.state === "exists" ? "Replace" : "Try again";
    row.append(button(word, name, () => uploads.retry(item)));
  }
  return row;
}

function describe(item) {
  switch (item.state) {
    case "sending": {
      const rest = pace(item.sent, item.size - item.sent, item.started);
      return [`${size(item.sent)} of ${size(item.size)}`, ...rest].join(", ");
    }
    case "storing": return "being stored on servers";
    default: return item.problem;
  }
}

function button(word, name, action) {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "quiet", textContent: word });
  button.setAttribute("aria-label", `${word} ${name}`);
  button.addEventListener("click", action);
  return button;
}

function sum(numbers) {
  return numbers.reduce((sum, number) => sum + number, 0);
}
