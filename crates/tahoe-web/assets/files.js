// What was dropped or chosen, as a list of {path, file}: the names on the way to a file, and the
// file; null stands for a directory without anything in it.

export async function dropped(transfer) {
  // Entries must be taken at once: the list of items is gone after the first pause.
  const roots = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
  const found = [];
  for (const root of roots) await walk(root, [], found);
  return found;
}

export function chosen(field) {
  const path = (file) => (file.webkitRelativePath || file.name).split("/");
  return [...field.files].map((file) => ({ path: path(file), file }));
}

async function walk(entry, parents, found) {
  const path = [...parents, entry.name];
  if (entry.isFile) {
    const file = await new Promise((done, failed) => entry.file(done, failed));
    found.push({ path, file });
    return;
  }
  const children = await childrenOf(entry);
  if (children.length === 0) found.push({ path, file: null });
  for (const child of children) await walk(child, path, found);
}

// A reader gives some entries at a time, and none at the end.
async function childrenOf(directory) {
  const reader = directory.createReader();
  const children = [];
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (some.length === 0) return children;
    children.push(...some);
  }
}
