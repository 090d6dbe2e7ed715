// What the pages gain by a script; all of them work without it.
"use strict";

function localTimes(root) {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  for (const time of root.querySelectorAll("time[datetime]")) {
    time.title = time.textContent;
    time.textContent = format.format(new Date(time.dateTime));
  }
}

// A part that changes by itself is fetched anew while somebody looks at it.
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
      // The server is away for a moment: the next round will tell.
    }
  }
  setTimeout(refresh, 4000);
}

localTimes(document);
setTimeout(refresh, 4000);
