// Shows how far the upload form of the welcome page is, then the results in place of the page.

import { pace, size } from "./amounts.js";
import { attempt } from "./notices.js";

const form = document.querySelector("form[data-progress]");

form.addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(send);
});

async function send() {
  const button = form.querySelector("button");
  const [bar, text] = [document.createElement("progress"), document.createElement("p")];
  bar.setAttribute("aria-label", "Upload");
  text.className = "hint";
  button.hidden = true;
  form.append(bar, text);
  try {
    const answer = await request((sent, total, started) => {
      bar.value = sent / total;
      const sizes = `${size(sent)} of ${size(total)}`;
      const stored = sent === total ? ["being stored on servers"] : pace(sent, total - sent, started);
      text.textContent = [sizes, ...stored].join(", ");
    });
    const page = new DOMParser().parseFromString(answer, "text/html");
    document.title = page.title;
    document.querySelector("main").replaceWith(page.querySelector("main"));
    const heading = document.querySelector("h1");
    heading.tabIndex = -1;
    heading.focus();
  } finally {
    bar.remove();
    text.remove();
    button.hidden = false;
  }
}

function request(show) {
  const request = new XMLHttpRequest();
  const started = performance.now();
  request.upload.onprogress = ({ loaded, total }) => show(loaded, total, started);
  return new Promise((done, failed) => {
    request.onload = () => {
      if (request.status === 200) done(request.responseText);
      else failed(new Error(request.responseText));
    };
    request.onerror = () => failed(new Error("The node can't be reached."));
    request.open("POST", form.action);
    request.send(new FormData(form));
  });
}
