// Changes of a directory by the web API; `here` is the path of its page.

// Deletes names, and adds to `removed` what it takes to link each again: nothing for an entry that isn't
// as it should be. A shared drive has a trash: there, directories go with all that is in them.
export async function remove(here, names, removed) {
  const { children } = await facts(here);
  for (const name of names) {
    const [kind, { problem }] = children[name] ?? ["unknown", {}];
    await post(here, { t: "unlink", name, recursive: kind === "dirnode" });
    removed[name] = problem ? undefined : children[name];
  }
}

// Restores what `remove` noted of these, unless something else has the name by now.
export async function restore(here, removed) {
  const { url: isInDrive } = await facts(here);
  if (isInDrive) {
    for (const name of Object.keys(removed)) await post(here, { t: "restore", name });
    return;
  }
  const body = JSON.stringify(removed);
  await ask(`${here}?t=set_children&replace=false`, { method: "POST", body });
}

// Moves names into another directory, where nothing is replaced; adds to `moved` those that are there.
export async function move(here, names, target, moved) {
  for (const name of names) {
    await post(here, { t: "relink", from_name: name, to_dir: target, replace: "false" });
    moved.push(name);
  }
}

// How moves name a directory if it can be changed (by its capability, in a shared drive by its path),
// and the names of the directories in it.
export async function directoriesIn(path) {
  const { rw_uri: cap, url, writable, children } = await facts(path);
  const directories = Object.entries(children).filter(([, [kind]]) => kind === "dirnode");
  const names = directories.map(([name]) => name).sort((a, b) => a.localeCompare(b));
  return { target: cap ?? (writable ? url : undefined), names };
}

// What the node tells programs of a directory.
async function facts(path) {
  const answer = await ask(`${path}?t=json`);
  const [, facts] = await answer.json();
  return facts;
}

function post(here, fields) {
  return ask(here, { method: "POST", body: new URLSearchParams(fields) });
}

async function ask(path, options) {
  const answer = await fetch(path, options);
  if (!answer.ok) throw new Error(await answer.text());
  return answer;
}
