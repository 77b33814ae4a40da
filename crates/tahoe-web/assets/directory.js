// Puts the scripts of a directory's page together.

import "./copy.js";
import "./dialogs.js";
import { chosen, dropped } from "./files.js";
import { refresh } from "./listing.js";
import { followChanges } from "./live.js";
import { attempt } from "./notices.js";
import { showProgress } from "./progress.js";
import { enableSelection } from "./selection.js";
import { Uploads, isOpen } from "./uploads.js";

const here = document.querySelector(".trail [aria-current]").getAttribute("href");
let isUploading = () => false;
if (document.getElementById("drop")) {
  const uploads = new Uploads(here);
  showProgress(uploads, () => attempt(refresh));
  acceptDrops(uploads);
  for (const id of ["choose-files", "choose-directory"]) {
    const field = document.getElementById(id);
    field.addEventListener("change", () => {
      uploads.add(chosen(field));
      field.value = "";
    });
  }
  enableSelection(here);
  isUploading = () => uploads.items.some(isOpen);
}
const { changes } = document.getElementById("listing").dataset;
if (changes) followChanges(changes, isUploading);

function acceptDrops(uploads) {
  const area = document.getElementById("drop");
  const hasFiles = (event) => event.dataTransfer.types.includes("Files");
  addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    area.classList.add("over");
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) area.classList.remove("over");
  });
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    area.classList.remove("over");
    attempt(async () => uploads.add(await dropped(event.dataTransfer)));
  });
}
