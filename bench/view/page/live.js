/* A run that goes on: its figures so far, changed in place as trials end. */

const name = decodeURIComponent(window.location.pathname.split("/")[2]);
const status = el("output", { "aria-live": "polite" });
const bar = el("progress", { max: 1, value: 0, "aria-label": "Trials played" });
const whole = el("a", { href: "?report" }, "Report so far");
const problem = el("p", { class: "alerts", role: "status", hidden: "" });
const tiles = el("ul", { class: "tiles" });
const latest = el("ol", { class: "list played" });
place.append(problem, el("div", { class: "progress" }, bar, status, whole), tiles,
  el("h3", {}, "Trials, the newest first"), latest);
const cards = new Map(); // preset → its card's places
const items = new Map(); // trial → its item

const FACTS = [["slowest", (c) => (c.slowest === "–" ? "–" : `${c.slowest} ms`)], ["> 1 s", (c) => c.slow], ["answered", (c) => c.answered],
  ["ruler late", (c) => (c.late === 1 ? "1 trial" : `${c.late} trials`)]];

function card(preset) {
  const places = { p50: el("b", {}), facts: FACTS.map(() => el("dd", {})) };
  tiles.append(el("li", { class: "card tile", style: { borderTopColor: `var(--p${preset.colour})` } },
    el("h4", { title: preset.preset }, preset.preset), el("span", { class: "badge" }, preset.weights),
    el("p", { class: "sure" }, "p50 so far, ms: ", places.p50),
    el("dl", {}, ...FACTS.map(([label], i) => el("div", {}, el("dt", {}, label), places.facts[i])))));
  return places;
}

function played(trial) {
  return el("li", {}, el("div", { class: "row" },
    el("span", { class: "dot", style: { background: `var(--p${trial.colour})` } }),
    el("span", { class: "name" }, el("b", { title: trial.trial_id }, trial.trial_id)),
    el("span", { class: "figure" }, trial.took === "–" ? "–" : `${trial.took} ms`),
    el("span", { class: `state${trial.is_bad ? " bad" : ""}` }, trial.status.replaceAll("_", " "))));
}

watch(`/api/runs/${encodeURIComponent(name)}`, 2000, (told) => {
  for (const preset of told.cards) {
    if (!cards.has(preset.preset)) cards.set(preset.preset, card(preset));
    const places = cards.get(preset.preset);
    say(places.p50, preset.p50);
    FACTS.forEach(([, text], i) => say(places.facts[i], text(preset)));
  }
  const now = told.latest.map((trial) => {
    if (!items.has(trial.trial_id)) items.set(trial.trial_id, played(trial));
    return items.get(trial.trial_id);
  });
  for (const child of [...latest.children]) if (!now.includes(child)) child.remove();
  now.forEach((made, i) => {
    if (latest.children[i] !== made) latest.insertBefore(made, latest.children[i] || null);
  });
  const of = told.planned === null ? "" : ` of ${told.planned}`;
  if (told.planned) bar.value = Math.min(1, told.trials / told.planned);
  else bar.removeAttribute("value");
  whole.hidden = told.trials === 0;
  document.documentElement.dataset.shown = told.live ? "live" : "over";
  if (told.live) {
    say(status, `${told.trials}${of} trials played, the run goes on`);
    return "";
  }
  bar.value = 1;
  say(status, `${told.trials}${of} trials played, the run is over`);
  say(whole, "Open its report");
  whole.setAttribute("href", "?report");
  return "done";
}, (text) => {
  problem.hidden = !text;
  say(problem, text || "");
});
