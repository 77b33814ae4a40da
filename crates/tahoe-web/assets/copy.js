// Buttons with `data-copy` put the text of the element that they name on the clipboard.

document.addEventListener("click", async ({ target }) => {
  const button = target.closest("button[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.textContent = "Copied";
  } catch {
    // Browsers keep the clipboard from pages of other machines without TLS.
    getSelection().selectAllChildren(source);
    button.textContent = "Selected: copy it yourself";
  }
});
