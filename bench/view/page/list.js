/* The list of runs: filtered here, refreshed without loading the page again. */

const controls = {
  search: el("input", { type: "search", placeholder: "name, machine, preset", oninput: () => fill() }),
  preset: el("select", { onchange: () => fill() }, el("option", { value: "" }, "all presets")),
  state: el("select", { onchange: () => fill() }, el("option", { value: "" }, "all")),
  since: el("input", { type: "date", oninput: () => fill() }),
};
const count = el("output", { "aria-live": "polite" });
const problem = el("p", { class: "alerts", role: "status", hidden: "" });
const list = el("ol", { class: "list runs" }, el("li", { class: "empty" }, "Reading the runs …"));
const labelled = (text, control) => el("label", {}, text, control);
place.append(
  problem,
  el("div", { class: "filters" }, labelled("Search", controls.search), labelled("Preset", controls.preset),
    labelled("State", controls.state), labelled("Since", controls.since), count),
  list,
);
let runs = [];
const shown = new Map(); // run's name → its item and what it shows

/** The options of a filter, without losing the one that is chosen. */
function offer(select, values) {
  const have = new Set([...select.options].map((option) => option.value));
  for (const value of values) if (!have.has(value)) select.append(el("option", { value }, value));
}

function wanted(run) {
  const words = controls.search.value.trim().toLowerCase();
  const text = [run.name, run.machine, run.started_utc, ...run.presets.map((p) => p.preset)].join(" ").toLowerCase();
  return (!words || text.includes(words))
    && (!controls.preset.value || run.presets.some((p) => p.preset === controls.preset.value))
    && (!controls.state.value || run.state_name === controls.state.value)
    && (!controls.since.value || run.started_utc.slice(0, 10) >= controls.since.value);
}

function counted(run) {
  if (run.state === "damaged") return "";
  return run.trials === 1 ? "1 trial" : `${run.trials} trials`;
}

function item(run) {
  const began = run.started_utc ? `${run.started_utc.replace("T", " ").slice(0, 16)} UTC` : "unknown time";
  const presets = run.presets.map((p) => el("span", { title: p.preset },
    el("i", { style: { background: `var(--p${p.colour})` } }), el("em", {}, p.preset),
    p.p50 === "–" ? null : el("b", {}, `${p.p50} ms`)));
  const row = el(run.state === "damaged" ? "div" : "a", {
    class: "row", href: run.state === "damaged" ? null : `/run/${encodeURIComponent(run.name)}/`,
  },
  el("span", { class: "name" }, el("b", { title: run.name }, run.name),
    el("small", { title: run.problem || run.machine }, run.problem || [began, run.machine].filter(Boolean).join(" · "))),
  el("span", { class: "presets" }, ...presets),
  el("span", { class: "count" }, counted(run)),
  el("span", { class: `state ${run.state === "damaged" ? "bad" : run.state}` }, run.state_name));
  return el("li", {}, row);
}

function fill() {
  const found = runs.filter(wanted);
  say(count, `${found.length} of ${runs.length} runs`);
  const names = new Set(found.map((run) => run.name));
  for (const run of found) {
    const now = JSON.stringify(run);
    const before = shown.get(run.name);
    if (before?.now === now) continue;
    const made = item(run);
    before?.made.replaceWith(made);
    shown.set(run.name, { made, now });
  }
  const items = found.map((run) => shown.get(run.name).made);
  for (const child of [...list.children]) if (!items.includes(child)) child.remove();
  items.forEach((made, i) => {
    if (list.children[i] !== made) list.insertBefore(made, list.children[i] || null);
  });
  if (!names.size) list.append(el("li", { class: "empty" }, runs.length ? "No run is like this." : "There is no run here yet: duplex-lab run makes one."));
}

list.addEventListener("click", (event) => {
  const row = event.target.closest("a.row");
  if (row && !event.ctrlKey && !event.metaKey) row.setAttribute("aria-busy", "true");
});

watch("/api/runs", 3000, (told) => {
  runs = told.runs;
  offer(controls.preset, [...new Set(runs.flatMap((run) => run.presets.map((p) => p.preset)))].sort());
  offer(controls.state, [...new Set(runs.map((run) => run.state_name))]);
  fill();
  document.documentElement.dataset.shown = "all";
}, (text) => {
  problem.hidden = !text;
  say(problem, text || "");
});
