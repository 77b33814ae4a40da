// Keeps the page of a shared drive's directory as the drive is: the node tells when something may have
// changed, and the list is made anew without what a person has selected, opened or scrolled to being lost.

import { refresh } from "./listing.js";
import { attempt, isWorking, tellNews } from "./notices.js";

const PAUSE = 500; // milliseconds; many changes are shown at once
const RETRY = 10000; // milliseconds until a node that has refused is asked again

// What this page itself does, it tells by itself: until `isBusy` is over, nothing is shown.
export function followChanges(address, isBusy) {
  let source;
  let isScheduled = false;

  const listen = () => {
    source?.close();
    // Browsers open few connections at a time, so that pages in the background don't hold any.
    if (document.hidden) return;
    source = new EventSource(address);
    source.addEventListener("message", schedule);
    source.addEventListener("error", ({ target }) => {
      if (target.readyState === EventSource.CLOSED && target === source) setTimeout(listen, RETRY);
    });
  };
  const schedule = () => {
    if (isScheduled) return;
    isScheduled = true;
    setTimeout(show, PAUSE);
  };
  const show = async () => {
    if (isBusy() || isWorking()) {
      setTimeout(show, PAUSE);
      return;
    }
    isScheduled = false;
    await attempt(async () => tellNews(sentence(await refresh())));
  };
  document.addEventListener("visibilitychange", listen);
  listen();
}

function sentence(news) {
  const parts = Object.entries(news).filter(([, names]) => names.length > 0);
  return parts.map(([what, names]) =>
    names.length === 1 ? `“${names[0]}” was ${what}.` : `${names.length} entries were ${what}.`,
  ).join(" ");
}
