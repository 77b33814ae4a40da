// Sends files into a directory, some at a time. Directories on the way are made by the node. What
// fails for a reason that may pass is tried again; what is there already isn't replaced unasked.

const AT_A_TIME = 4;
const ATTEMPTS = 4;
const FIRST_PAUSE = 1000; // milliseconds; each further one is twice as long

export class Uploads extends EventTarget {
  #here;
  #sending = 0;
  items = [];

  // `here` is the path of the directory's page.
  constructor(here) {
    super();
    this.#here = here;
  }

  add(files) {
    for (const { path, file } of files) {
      const size = file?.size ?? 0;
      this.items.push({ path, file, size, sent: 0, state: "waiting", replace: "false" });
    }
    this.#next();
  }

  // Tries again what failed, replacing a file that is there if that was the reason.
  retry(item) {
    if (item.state === "exists") item.replace = "only-files";
    Object.assign(item, { state: "waiting", sent: 0, problem: undefined });
    this.#next();
  }

  cancel(item) {
    if (!isOpen(item)) return;
    item.state = "cancelled";
    item.request?.abort();
    this.#changed();
  }

  cancelAll() {
    for (const item of this.items.filter(isOpen)) this.cancel(item);
  }

  // Forgets everything that has ended.
  clear() {
    this.items = this.items.filter(isOpen);
    this.#changed();
  }

  #next() {
    while (this.#sending < AT_A_TIME) {
      const item = this.items.find((item) => item.state === "waiting");
      if (!item) break;
      this.#sending += 1;
      this.#send(item).finally(() => {
        this.#sending -= 1;
        this.#next();
      });
    }
    this.#changed();
  }

  async #send(item) {
    item.started = performance.now();
    for (let attempt = 1; ; attempt += 1) {
      item.state = "sending";
      const { status, text } = await this.#attempt(item);
      if (item.state === "cancelled") return;
      if (status >= 200 && status < 300) {
        Object.assign(item, { state: "done", sent: item.size });
        return;
      }
      const mayPass = status === 0 || status === 408 || status >= 500;
      if (!mayPass || attempt === ATTEMPTS) {
        item.state = status === 409 && item.replace === "false" ? "exists" : "failed";
        item.problem = text || "the node can't be reached";
        return;
      }
      item.sent = 0;
      this.#changed();
      await new Promise((done) => setTimeout(done, FIRST_PAUSE * 2 ** (attempt - 1)));
      if (item.state === "cancelled") return;
    }
  }

  #attempt(item) {
    const path = item.path.map(encodeURIComponent).join("/");
    const query = item.file ? `replace=${item.replace}` : "t=mkdir";
    const request = new XMLHttpRequest();
    item.request = request;
    request.upload.onprogress = ({ loaded }) => {
      item.sent = Math.min(loaded, item.size);
      this.#changed();
    };
    request.upload.onload = () => {
      if (item.state === "sending") item.state = "storing";
      this.#changed();
    };
    return new Promise((done) => {
      request.onloadend = () => {
        item.request = undefined;
        done({ status: request.status, text: sentence(request) });
      };
      request.open("PUT", `${this.#here}${path}?${query}`);
      request.send(item.file);
    });
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}

export function isOpen(item) {
  return ["waiting", "sending", "storing"].includes(item.state);
}

// What an answer says, in one line; some errors are pages.
function sentence(answer) {
  const text = answer.responseText;
  const type = answer.getResponseHeader("content-type") ?? "";
  if (!type.startsWith("text/html")) return text.trim();
  const page = new DOMParser().parseFromString(text, "text/html");
  return (page.querySelector("h1") ?? page.body).textContent.trim();
}
