// Enhances the pages; all of them work without it.
"use strict";

function localTimes(root) {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  for (const time of root.querySelectorAll("time[datetime]")) {
    time.title = time.textContent;
    time.textContent = format.format(new Date(time.dateTime));
  }
}

// Refreshes the live part of a page while the tab is visible.
async function refresh() {
  const part = document.querySelector("[data-live]");
  if (!part) return;
  if (!document.hidden && !part.contains(document.activeElement)) {
    try {
      const answer = await fetch(location.href, { credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("[data-part]");
      if (answer.ok && fresh) {
        const node = document.importNode(fresh, true);
        localTimes(node);
        part.replaceWith(node);
      }
    } catch {
      // The server is temporarily unavailable: try again in the next round.
    }
  }
  setTimeout(refresh, 4000);
}

localTimes(document);
setTimeout(refresh, 4000);
