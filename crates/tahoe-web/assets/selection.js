// Several entries at once: selected by their boxes, then deleted or moved, both of which can be undone.

import { directoriesIn, move, remove, restore } from "./changes.js";
import { refresh, rows } from "./listing.js";
import { chooseDirectory } from "./move.js";
import { announce, attempt } from "./notices.js";

export function enableSelection(here) {
  document.addEventListener("change", ({ target }) => {
    if (target.id === "select-all") {
      const shown = rows().filter((row) => !row.hidden);
      for (const row of shown) box(row).checked = target.checked;
    }
    if (target.closest("#listing")) show();
  });
  document.addEventListener("click", ({ target }) => {
    if (target.id === "selection-delete") attempt(() => deleteAll(here, selected()));
    if (target.id === "selection-move") attempt(() => moveAll(here, selected()));
  });
  document.addEventListener("listing", show);
  // The form of one entry does the same without loading the page again.
  document.addEventListener("submit", (event) => {
    const row = event.target.closest("#listing tr[data-name]");
    if (!row || !event.target.querySelector("[value=unlink]")) return;
    event.preventDefault();
    attempt(() => deleteAll(here, [row.dataset.name]));
  });
}

async function deleteAll(here, names) {
  const removed = {};
  try {
    await remove(here, names, removed);
  } finally {
    await refresh();
    offerUndo(here, removed);
  }
}

// What was deleted can be restored, also if others couldn't be deleted.
function offerUndo(here, removed) {
  const names = Object.keys(removed);
  if (names.length === 0) return;
  const restorable = Object.entries(removed).filter(([, child]) => child);
  const undo = async () => {
    await restore(here, Object.fromEntries(restorable));
    await refresh();
    announce(`${title(restorable.map(([name]) => name))} restored.`);
  };
  const action = { word: "Undo", run: () => attempt(undo) };
  announce(`${title(names)} deleted.`, restorable.length > 0 ? action : undefined);
}

async function moveAll(here, names) {
  const chosen = await chooseDirectory(names);
  if (!chosen) return;
  const moved = [];
  try {
    await move(here, names, chosen.target, moved);
  } finally {
    await refresh();
    if (moved.length > 0) {
      const undo = { word: "Undo", run: () => attempt(() => moveBack(here, moved, chosen.path)) };
      announce(`${title(moved)} moved to ${chosen.name}.`, undo);
    }
  }
}

async function moveBack(here, names, path) {
  const { target } = await directoriesIn(here);
  const moved = [];
  try {
    await move(path, names, target, moved);
  } finally {
    await refresh();
    if (moved.length > 0) announce(`${title(moved)} moved back.`);
  }
}

function title(names) {
  return names.length === 1 ? `“${names[0]}”` : `${names.length} entries`;
}

function box(row) {
  return row.querySelector("input[type=checkbox]");
}

function selected() {
  return rows().filter((row) => box(row)?.checked).map((row) => row.dataset.name);
}

function show() {
  const count = selected().length;
  document.getElementById("selection").hidden = count === 0;
  document.getElementById("selection-count").textContent = `${count} selected`;
}
