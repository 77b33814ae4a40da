// The list of entries: shown anew after a change, and searched while somebody types.

// The rows' markup as the node wrote it: what a person does changes only what is in the page.
const written = new WeakMap();
note(rows());

// Shows the list as it is now; returns the names that were added, changed or removed. Rows that are the
// same stay, with their focus, boxes and menus.
export async function refresh() {
  const answer = await fetch(location.href);
  if (answer.status === 404) {
    // It was removed or moved: the node's own page says so, and where to look.
    location.reload();
    return new Promise(() => {});
  }
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const next = page.getElementById("listing");
  if (!next) throw new Error("The list can't be read any more. Load the page again.");
  note(rows(next));
  const focused = focusIn(document.getElementById("listing"));
  const news = merge(document.getElementById("listing"), next);
  const [state, nextState] = [document, page].map((one) => one.getElementById("state"));
  if (state.innerHTML !== nextState.innerHTML) state.replaceChildren(...nextState.childNodes);
  filter();
  document.dispatchEvent(new Event("listing"));
  focused?.restore();
  return news;
}

// The rows of a table, as they are now.
export function rows(listing = document.getElementById("listing")) {
  return [...listing.querySelectorAll("tr[data-name]")];
}

function note(rows) {
  for (const row of rows) written.set(row, row.outerHTML);
}

function merge(listing, next) {
  const known = new Map(rows(listing).map((row) => [row.dataset.name, row]));
  const news = { added: [], changed: [], removed: [] };
  const wanted = rows(next).map((row) => {
    const old = known.get(row.dataset.name);
    known.delete(row.dataset.name);
    if (old && written.get(old) === written.get(row)) return old;
    news[old ? "changed" : "added"].push(row.dataset.name);
    if (old) adopt(old, row);
    return row;
  });
  news.removed.push(...known.keys());
  const [body, nextBody] = [listing, next].map((one) => one.querySelector("tbody"));
  if (!body || !nextBody) {
    listing.replaceWith(next);
    return news;
  }
  listing.querySelector("h2").textContent = next.querySelector("h2").textContent;
  const kept = new Set(wanted);
  for (const row of rows(listing)) if (!kept.has(row)) row.remove();
  // What is in its place isn't moved, because it would lose the focus.
  let place = body.firstElementChild;
  for (const row of wanted) {
    if (row === place) place = place.nextElementSibling;
    else body.insertBefore(row, place);
  }
  return news;
}

// A row that has changed is still selected, and its menu open.
function adopt(old, row) {
  const [box, menu] = ["input[type=checkbox]", "details"].map((what) => row.querySelector(what));
  if (box) box.checked = old.querySelector("input[type=checkbox]").checked;
  menu.open = old.querySelector("details").open;
}

// Where the focus in the list is, to be put there again; on the list's heading if that is gone.
function focusIn(listing) {
  const active = document.activeElement;
  if (!listing.contains(active)) return undefined;
  const name = active.closest("tr[data-name]")?.dataset.name;
  const parts = (row) => [...(row?.querySelectorAll("a, button, input, summary") ?? [])];
  const index = parts(active.closest("tr[data-name]")).indexOf(active);
  const restore = () => {
    const isShown = active.isConnected && active.checkVisibility();
    const row = rows().find((row) => row.dataset.name === name);
    const heading = document.getElementById("entries");
    heading.tabIndex = -1;
    const target = isShown ? active : parts(row)[index] ?? heading;
    if (target !== document.activeElement) target.focus({ preventScroll: true });
  };
  return { restore };
}

const field = document.getElementById("find");
field.addEventListener("input", filter);

function filter() {
  const wanted = field.value.toLowerCase();
  for (const row of rows()) row.hidden = !row.dataset.name.toLowerCase().includes(wanted);
}
