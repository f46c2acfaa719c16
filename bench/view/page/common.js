/* What both pages of the view share. All text from data goes through textContent. */
"use strict";

/** An element with attributes and children; strings become text. */
function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "style") Object.assign(made.style, value);
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

const place = document.getElementById("place");
try {
  const chosen = localStorage.getItem("duplex-lab-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch { /* then it is the system's */ }

/** Changes a text only if it is another: what has not changed is not read out again. */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Asks for JSON again and again, as long as the page is looked at; tells only what has changed. */
function watch(address, everyMs, changed, failed) {
  let last = "";
  const look = async () => {
    if (!document.hidden) {
      try {
        const answer = await fetch(address, { cache: "no-store" });
        if (answer.ok) {
          const text = await answer.text();
          failed(null);
          if (text !== last && changed(JSON.parse(text)) === "done") return;
          last = text;
        } else if (answer.status !== 503) failed(`${answer.status}: ${await answer.text()}`);
      } catch {
        failed("duplex-lab view does not answer: is it still running?");
      }
    }
    setTimeout(look, everyMs);
  };
  document.addEventListener("visibilitychange", () => { last = ""; });
  look();
}
