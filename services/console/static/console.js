// Enhances the pages; all of them work without it.
"use strict";

function localTimes(root) {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  for (const time of root.querySelectorAll("time[datetime]")) {
    time.title = time.textContent;
    time.textContent = format.format(new Date(time.dateTime));
  }
}

// Refreshes the parts of a page while the tab is visible, until nothing on it changes by itself any more. The part that has the
// focus stays as it is.
async function refresh() {
  let left = document.querySelector("[data-live]") !== null;
  if (!left) return;
  if (!document.hidden) {
    try {
      const answer = await fetch(location.href, { credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      left = !answer.ok || page.querySelector("[data-live]") !== null;
      for (const part of document.querySelectorAll("[data-part]")) {
        const fresh = page.querySelector(`[data-part="${part.dataset.part}"]`);
        if (!answer.ok || !fresh) continue;
        if (part.contains(document.activeElement)) {
          left = true;
          continue;
        }
        const node = document.importNode(fresh, true);
        localTimes(node);
        part.replaceWith(node);
      }
    } catch {
      // The server is temporarily unavailable: try again in the next round.
    }
  }
  if (left) setTimeout(refresh, 4000);
}

// Puts the text of a chosen file into a field of its form: the file itself is not sent.
function readFiles() {
  for (const input of document.querySelectorAll("input[type=file][data-into]")) {
    input.addEventListener("change", async () => {
      const field = document.getElementById(input.dataset.into);
      if (field && input.files.length) field.value = await input.files[0].text();
    });
  }
}

// Goes on with work that is done in steps. Without scripts, a button does.
function goOn() {
  const form = document.querySelector("form[data-auto]");
  if (form) form.requestSubmit();
}

localTimes(document);
readFiles();
goOn();
setTimeout(refresh, 4000);
