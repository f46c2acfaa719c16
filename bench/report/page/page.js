/* The page's data, small helpers, the theme, and the charts. All text from data goes through
   textContent (or was escaped for Plotly), never through innerHTML. */
"use strict";

const DATA = JSON.parse(document.getElementById("data").textContent);
const CALM = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
const COARSE = window.matchMedia("(pointer: coarse)").matches;
const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes and children; strings become text. */
function el(name, attributes = {}, ...children) {
  const made = name.startsWith("svg:")
    ? document.createElementNS(SVG, name.slice(4))
    : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "style") Object.assign(made.style, value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** The value of a colour of the theme. */
function themed(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function figureOf(ms, digits = 0) {
  if (ms === null || ms === undefined) return "–";
  const text = ms.toFixed(digits);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "\u2212");
}

/* Theme: that of the system, unless the reader chose one. */

const THEMES = { system: "Theme: system", light: "Theme: light", dark: "Theme: dark" };
const themeButton = document.getElementById("theme");
let theme = "system";
try {
  theme = localStorage.getItem("duplex-lab-theme") || "system";
} catch { /* a page from disk may have no storage */ }

function applyTheme() {
  if (!(theme in THEMES)) theme = "system";
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  themeButton.textContent = THEMES[theme];
}

themeButton.addEventListener("click", () => {
  const names = Object.keys(THEMES);
  theme = names[(names.indexOf(theme) + 1) % names.length];
  try {
    localStorage.setItem("duplex-lab-theme", theme);
  } catch { /* then it is forgotten */ }
  applyTheme();
  recolour();
});
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => recolour());
applyTheme();

/* Charts */

/** A copy in which the names of colours, such as "@ink", are those of the theme. */
function coloured(value, key = "") {
  if (Array.isArray(value)) return value.map((item) => coloured(item, key));
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, coloured(v, k)]));
  }
  const isColour = typeof value === "string" && /color/i.test(key) && /^@[\w-]+$/.test(value);
  return isColour ? themed(value.slice(1)) : value;
}

/** Names of reference lines, without those that would lie over another one in a plot so wide. */
function apart(annotations, range, width) {
  if (!range) return annotations;
  const taken = [];
  return annotations.filter((one) => {
    if (one.name !== "reference") return true;
    const at = ((one.x - range[0]) / (range[1] - range[0])) * width;
    const wide = one.textangle ? 15 : 7 * one.text.length + 6;
    const from = one.xanchor === "right" ? at - wide : one.xanchor === "center" ? at - wide / 2 : at;
    const isFree = taken.every(([a, b]) => from >= b || from + wide <= a);
    if (isFree) taken.push([from, from + wide]);
    return isFree;
  });
}

function layoutOf(chart, width) {
  const ink = themed("ink");
  const faint = themed("faint");
  const line = themed("line");
  const axis = {
    gridcolor: themed("soft"), zerolinecolor: line, linecolor: line, tickcolor: line,
    tickfont: { color: faint, size: 12 }, fixedrange: COARSE,
  };
  const own = coloured(chart.layout);
  const titled = (of) => ({
    ...axis, ...of,
    title: { standoff: 10, ...(of || {}).title, font: { size: 13, color: faint } },
  });
  own.annotations = apart(own.annotations || [], own.xaxis?.range, width);
  return {
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: themed("sans"), size: 12, color: ink },
    margin: { l: 64, r: 16, t: 18, b: 48 }, showlegend: false, hovermode: "closest",
    hoverlabel: {
      bgcolor: themed("card"), bordercolor: line, font: { color: ink, size: 13 }, namelength: 40,
    },
    dragmode: COARSE ? false : "zoom",
    ...own, xaxis: titled(own.xaxis), yaxis: titled(own.yaxis),
  };
}

const CONFIG = {
  responsive: true, displaylogo: false, showTips: false,
  modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
  displayModeBar: COARSE ? false : "hover",
};
const drawn = new Map(); // element's id → which traces are hidden

function draw(id) {
  const chart = DATA.charts[id];
  const plot = document.getElementById(id);
  if (!chart || !plot) return;
  const isNew = !drawn.has(id);
  if (isNew) drawn.set(id, new Set());
  const hidden = drawn.get(id);
  const traces = coloured(chart.data).map((trace, i) => ({
    ...trace, visible: hidden.has(i) ? "legendonly" : true,
  }));
  Plotly.react(plot, traces, layoutOf(chart, plot.clientWidth - 80), CONFIG);
  if (isNew) {
    plot.on("plotly_click", (event) => {
      const key = event.points[0].customdata;
      if (key) window.location.hash = `turn-${key}`;
    });
  }
  legend(id, plot, chart);
}

/** Buttons that show and hide what a chart draws: reachable by keyboard, wrapping on a phone. */
function legend(id, plot, chart) {
  const hidden = drawn.get(id);
  const focused = document.activeElement?.dataset.trace;
  const isFocused = plot.previousElementSibling?.contains(document.activeElement);
  if (plot.previousElementSibling?.className === "legend") plot.previousElementSibling.remove();
  if (chart.layout.showlegend === false) return;
  const box = el("div", { class: "legend", role: "group", "aria-label": "Shown in the chart" });
  const groups = new Map(); // what is shown and hidden together
  chart.data.forEach((trace, i) => {
    const group = trace.legendgroup || `${i}`;
    groups.set(group, [...(groups.get(group) || []), i]);
  });
  if (groups.size < 2) return;
  for (const own of groups.values()) {
    const isHidden = hidden.has(own[0]);
    const button = el("button", {
      type: "button", "aria-pressed": String(!isHidden), "data-trace": box.children.length,
      onclick: () => {
        own.forEach((i) => (isHidden ? hidden.delete(i) : hidden.add(i)));
        draw(id);
      },
    }, swatch(coloured(chart.data[own[0]])), el("span", { title: plainText(chart.data[own[0]].name) }, plainText(chart.data[own[0]].name)));
    box.append(button);
  }
  plot.before(box);
  if (isFocused) box.children[focused]?.focus();
}

/** Names were escaped for Plotly, which reads tags; here they are text again. */
function plainText(name) {
  return name.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
}

const DASHES = { dash: "6 4", dot: "2 3", dashdot: "6 3 2 3", solid: "none" };

function swatch(trace) {
  const box = el("svg:svg", { width: 24, height: 12, "aria-hidden": "true" });
  const colour = trace.line?.color || trace.marker?.color;
  if (trace.type === "bar" || trace.stackgroup) {
    box.append(el("svg:rect", { x: 6, y: 0, width: 12, height: 12, rx: 2, fill: colour }));
    return box;
  }
  if (trace.mode.includes("lines")) {
    box.append(el("svg:line", {
      x1: 0, x2: 24, y1: 6, y2: 6, stroke: colour, "stroke-width": 2.5,
      "stroke-dasharray": DASHES[trace.line?.dash] || "none",
    }));
  }
  if (trace.mode.includes("markers")) {
    const shapes = {
      circle: "M12 2a4 4 0 1 0 .01 0z", diamond: "M12 1l5 5-5 5-5-5z", square: "M8 2h8v8h-8z",
      "triangle-up": "M12 1.5l5 8.5H7z", cross: "M10.5 2h3v2.5H16v3h-2.5V10h-3V7.5H8v-3h2.5z",
    };
    box.append(el("svg:path", { d: shapes[trace.marker?.symbol] || shapes.circle, fill: colour }));
  }
  return box;
}

/** Tables with several rows are sorted by a click on a head: figures before words, "–" last. */
function sortable(table) {
  const body = table.tBodies[0];
  if (body.rows.length < 2) return;
  const original = [...body.rows];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = el("button", { type: "button", class: "sort", onclick: () => sortBy(column, head) }, head.textContent);
    head.replaceChildren(button);
    head.setAttribute("aria-sort", "none");
  });
  const cell = (row, column) => row.cells[column].textContent;
  const sortBy = (column, head) => {
    const next = { none: "descending", descending: "ascending", ascending: "none" }[head.getAttribute("aria-sort")];
    heads.forEach((other) => other.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", next);
    if (next === "none") {
      body.append(...original);
      return;
    }
    const sign = next === "descending" ? -1 : 1;
    body.append(...[...original].sort((a, b) => {
      const [x, y] = [figureIn(cell(a, column)), figureIn(cell(b, column))];
      if (x === null || y === null) return (x === null) - (y === null) || sign * cell(a, column).localeCompare(cell(b, column));
      return sign * (x - y);
    }));
  };
}

/** The figure that a cell's text begins with. */
function figureIn(text) {
  const found = /^[+\u2212-]?\d+(\.\d+)?/.exec(text);
  return found ? Number(found[0].replace("\u2212", "-")) : null;
}

document.querySelectorAll("main table").forEach(sortable);

/* On paper the page is light, whatever the screen shows. */
let shownTheme = null;
window.addEventListener("beforeprint", () => {
  shownTheme = theme;
  theme = "light";
  applyTheme();
  recolour();
});
window.addEventListener("afterprint", () => {
  if (shownTheme === null) return;
  theme = shownTheme;
  shownTheme = null;
  applyTheme();
  recolour();
});

function recolour() {
  for (const id of drawn.keys()) draw(id);
  document.dispatchEvent(new Event("recoloured"));
}

/** Draws what is in sight first, and the rest when there is time. */
function drawAll() {
  const waiting = Object.keys(DATA.charts);
  const idle = window.requestIdleCallback || ((work) => setTimeout(work, 10));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting && !drawn.has(entry.target.id)) draw(entry.target.id);
    }
  }, { rootMargin: "300px" });
  for (const id of waiting) {
    const plot = document.getElementById(id);
    if (plot) seen.observe(plot);
  }
  const next = () => {
    const id = waiting.shift();
    if (id === undefined) {
      document.documentElement.dataset.drawn = "all";
      return;
    }
    if (!drawn.has(id)) draw(id);
    idle(next);
  };
  idle(next);
}
