// The list of entries: shown anew after a change, and searched while somebody types.

export async function refresh() {
  const answer = await fetch(location.href);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const listing = page.getElementById("listing");
  if (!listing) throw new Error("The list can't be read any more. Load the page again.");
  document.getElementById("listing").replaceWith(listing);
  filter();
  document.dispatchEvent(new Event("listing"));
}

// The rows of the table, as they are now.
export function rows() {
  return [...document.querySelectorAll("#listing tr[data-name]")];
}

const field = document.getElementById("find");
field.addEventListener("input", filter);

function filter() {
  const wanted = field.value.toLowerCase();
  for (const row of rows()) row.hidden = !row.dataset.name.toLowerCase().includes(wanted);
}
