// Shows the changing part of a page again and again, as long as somebody looks at it.
//
// Laws:
// 1. One request at a time, and none while the page is hidden.
// 2. What has not changed is not shown again: nothing flickers, and a screen reader says nothing.
// 3. What had the keyboard keeps it: the same button or link, where it is there again.
// 4. Where the part says that all is over it is shown no more.
// 5. When it cannot be had, the page says so, and since when what it shows is as it was.

const EVERY_MS = 2000;
const SLOW_MS = 10000;
const part = document.querySelector("[data-live]");
const state = document.querySelector("[data-live-state]");
let tag = "";
let seenAt = new Date();

function say(text) {
  if (state.textContent !== text) state.textContent = text;
}

function addressOf(element) {
  return element?.getAttribute("formaction") ?? element?.getAttribute("href") ?? "";
}

async function look() {
  const headers = tag ? { "If-None-Match": tag } : {};
  const answer = await fetch(part.dataset.live, { headers, cache: "no-store", redirect: "error", signal: AbortSignal.timeout(SLOW_MS) });
  if (answer.status === 200) {
    const text = await answer.text();
    const read = new DOMParser().parseFromString(text, "text/html");
    const held = addressOf(part.contains(document.activeElement) ? document.activeElement : null);
    part.replaceChildren(...read.body.childNodes);
    if (held) [...part.querySelectorAll("button, a")].find((one) => addressOf(one) === held)?.focus();
    tag = answer.headers.get("ETag") ?? "";
  } else if (answer.status !== 304) {
    throw new Error(String(answer.status));
  }
  seenAt = new Date();
}

async function goOn() {
  let wait = EVERY_MS;
  if (!document.hidden) {
    try {
      await look();
      if (part.querySelector("[data-live-over]")) return say("");
      say("This page shows itself again by itself.");
    } catch {
      wait = SLOW_MS;
      say(`The server was not reached since ${seenAt.toLocaleTimeString()}. What is shown may be old. Load the page again, or sign in again.`);
    }
  }
  setTimeout(goOn, wait);
}

goOn();
