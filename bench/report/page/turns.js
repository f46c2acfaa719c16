/* The list of turns: filtered, sorted, each opened into its waterfall with a player. */

const PAGE = window.innerWidth < 760 ? 10 : 25;
const sound = el("audio", { preload: "auto", hidden: true });
document.body.append(sound);
let playing = null; // the opened turn whose recording is loaded
const lists = [];

/** A recording's address: of the file beside the page, or of what the page holds, decoded now. */
function addressOf(name) {
  const held = document.getElementById(name);
  if (!held) return name.split("/").map(encodeURIComponent).join("/");
  const raw = atob(held.textContent);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i += 1) bytes[i] = raw.charCodeAt(i);
  return URL.createObjectURL(new Blob([bytes], { type: "audio/ogg" }));
}

/** What counts comes before what does not. */
const counts = (turn) => (turn.status === "valid" ? 0 : 1);
const ORDERS = {
  "slowest first": { by: (a, b) => counts(a) - counts(b) || (b.v2v ?? -1e9) - (a.v2v ?? -1e9) },
  "fastest first": { by: (a, b) => counts(a) - counts(b) || (a.v2v ?? 1e9) - (b.v2v ?? 1e9) },
  "as they were run": { by: (a, b) => a.index - b.index },
};
for (const [stage, label] of Object.entries(DATA.pieces)) {
  ORDERS[`longest ${label}`] = {
    stage,
    by: (a, b) => counts(a) - counts(b) || (stageMs(b, stage) ?? -1e9) - (stageMs(a, stage) ?? -1e9),
  };
}

/** The time that a stage takes on a turn's critical path; null for a turn without the stage. */
function stageMs(turn, stage) {
  const own = turn.critical.filter((part) => part.name === stage);
  return own.length ? own.reduce((sum, part) => sum + part.end - part.start, 0) : null;
}

class TurnList {
  constructor(place) {
    this.number = Number(place.dataset.run);
    this.run = DATA.runs[this.number];
    this.turns = this.run.turns.map((turn, index) => ({ ...turn, index, of: this.run.trials[turn.trial] }));
    this.open = null;
    this.limit = PAGE;
    const values = this.turns.filter((t) => t.status === "valid").map((t) => t.v2v).sort((a, b) => a - b);
    const part = (share) => values[Math.floor((values.length - 1) * share)] ?? 0;
    this.scale = Math.max(500, 1.15 * Math.min(part(0.95), 2.5 * part(0.5)));
    this.preset = this.choice(["all presets", ...Object.keys(this.run.presets)]);
    this.state = this.choice(["all turns", ...Object.values(DATA.statuses)]);
    this.order = this.choice(Object.keys(ORDERS));
    this.search = el("input", { type: "search", placeholder: "words, fixture, reason", oninput: () => this.filter() });
    this.count = el("output", { "aria-live": "polite" });
    this.list = el("ol", { class: "list" });
    this.list.addEventListener("keydown", (event) => this.move(event));
    const labelled = (text, control) => el("label", {}, text, control);
    place.append(
      el("div", { class: "filters" }, labelled("Preset", this.preset), labelled("Counts as", this.state),
        labelled("Order", this.order), labelled("Search", this.search), this.count),
      this.key(), this.list,
    );
    this.fill();
  }

  choice(options) {
    return el("select", { onchange: () => this.filter() },
      ...options.map((name) => el("option", { value: name }, name)));
  }

  key() {
    const parts = Object.entries(DATA.pieces).map(([name, label]) =>
      el("span", {}, el("i", { style: { background: `var(--${name})` } }), label));
    return el("p", { class: "key" }, ...parts,
      el("span", {}, el("i", { style: { background: "var(--unsplit)" } }), "not split"),
      el("span", {}, `bars: 0 to ${figureOf(this.scale)} ms; a torn end with ▶: the bar goes on beyond`));
  }

  filter() {
    this.limit = PAGE;
    this.open = null;
    stop();
    this.fill();
  }

  wanted() {
    const words = this.search.value.trim().toLowerCase();
    return this.turns.filter((turn) =>
      (this.preset.selectedIndex === 0 || turn.of.preset === this.preset.value)
      && (this.state.selectedIndex === 0 || DATA.statuses[turn.status] === this.state.value)
      && (!words || `${turn.of.trial_id} ${turn.said} ${turn.heard} ${turn.answer} ${turn.reason}`.toLowerCase().includes(words)),
    ).sort(ORDERS[this.order.value].by);
  }

  fill() {
    const found = this.wanted();
    this.count.textContent = `${found.length} of ${this.turns.length} turns`;
    this.list.replaceChildren(...found.slice(0, this.limit).map((turn) => this.item(turn)));
    if (!found.length) this.list.append(el("li", { class: "empty" }, "No turn is like this."));
    const left = found.length - this.limit;
    if (left > 0) {
      this.list.append(el("li", { class: "more" }, el("button", {
        type: "button",
        onclick: () => {
          const before = this.limit;
          this.limit += 4 * PAGE;
          this.fill();
          this.list.querySelectorAll(".row")[before]?.focus();
        },
      }, `Show ${Math.min(left, 4 * PAGE)} more`)));
    }
  }

  item(turn) {
    const key = `${this.number}-${turn.index}`;
    const isBad = turn.status === "invalid" || turn.status === "silent";
    const item = el("li", { id: `turn-${key}` });
    const button = el("button", {
      type: "button", class: `row${turn.status === "valid" ? "" : " spoilt"}`,
      "aria-expanded": "false", "aria-controls": `detail-${key}`,
      onclick: () => this.toggle(turn, item),
    },
    el("span", { class: "dot", style: { background: `var(--p${this.run.presets[turn.of.preset]})` } }),
    el("span", { class: "preset", title: turn.of.preset }, turn.of.preset),
    el("span", { class: "what" }, el("b", {}, turn.said || "(no labels)"),
      el("span", {}, `${turn.of.fixture}${turn.of.repeat ? `, repeat ${turn.of.repeat}` : ""}, turn ${turn.turn}`)),
    this.bar(turn),
    this.figure(turn),
    el("span", { class: `state${isBad ? " bad" : ""}` }, DATA.statuses[turn.status]));
    item.append(button);
    if (this.open === turn) this.expand(turn, item);
    return item;
  }

  /** Voice to voice, and the stage that the list is sorted by. */
  figure(turn) {
    const { stage } = ORDERS[this.order.value];
    const own = stage ? stageMs(turn, stage) : null;
    return el("span", { class: "figure" }, turn.v2v === null ? "–" : `${figureOf(turn.v2v)} ms`,
      stage ? el("small", {}, own === null ? "–" : `${figureOf(own, own < 10 ? 1 : 0)} ms`) : null);
  }

  bar(turn) {
    const isCut = turn.v2v !== null && turn.v2v > this.scale;
    const isEarly = turn.v2v !== null && turn.v2v < 0;
    const bar = el("span", {
      class: `bar${isCut ? " cut" : ""}${isEarly ? " early" : ""}`, "aria-hidden": "true",
      title: isCut ? `cut: it is ${(turn.v2v / this.scale).toFixed(1)} times as long as shown`
        : isEarly ? "the answer began before the user had ended" : null,
    });
    const until = (ms) => Math.min(this.scale, Math.max(0, ms));
    const part = (start, end, name) => el("i", {
      style: {
        left: `${(100 * until(start)) / this.scale}%`,
        width: `${(100 * (until(end) - until(start))) / this.scale}%`,
        background: `var(--${name})`,
      },
    });
    if (turn.critical.length) {
      bar.append(...turn.critical.map((c) => part(c.start - turn.u_off, c.end - turn.u_off, c.name)));
    } else if (turn.v2v !== null) bar.append(part(0, turn.v2v, "unsplit"));
    return bar;
  }

  /** Arrow keys go from row to row, Escape closes. */
  move(event) {
    const row = event.target.closest(".row");
    if (event.key === "Escape" && this.open) {
      const opened = this.list.querySelector('.row[aria-expanded="true"]');
      opened?.click();
      opened?.focus();
    }
    if (!row || !["ArrowDown", "ArrowUp"].includes(event.key)) return;
    const rows = [...this.list.querySelectorAll(".row")];
    rows[rows.indexOf(row) + (event.key === "ArrowDown" ? 1 : -1)]?.focus();
    event.preventDefault();
  }

  toggle(turn, item) {
    const wasOpen = this.open === turn;
    stop();
    this.list.querySelector(".turn")?.remove();
    this.list.querySelector('.row[aria-expanded="true"]')?.setAttribute("aria-expanded", "false");
    this.open = wasOpen ? null : turn;
    if (!wasOpen) this.expand(turn, item);
    const hash = wasOpen ? `#r${this.number}-turns` : `#turn-${this.number}-${turn.index}`;
    try {
      history.replaceState(null, "", hash);
    } catch { /* not everywhere allowed for pages from disk */ }
  }

  expand(turn, item) {
    item.querySelector(".row").setAttribute("aria-expanded", "true");
    const audio = this.run.audio[turn.trial];
    item.append(new Opened(turn, audio, `detail-${this.number}-${turn.index}`).box);
  }

  /** Opens a turn that is named in the page's address. */
  show(index) {
    const turn = this.turns[index];
    if (!turn) return;
    this.preset.selectedIndex = 0;
    this.state.selectedIndex = 0;
    this.search.value = "";
    this.limit = Math.max(PAGE, this.wanted().indexOf(turn) + 1);
    stop();
    this.open = turn;
    this.fill();
    const item = document.getElementById(`turn-${this.number}-${index}`);
    item.querySelector(".row").focus({ preventScroll: true });
    item.scrollIntoView({ behavior: CALM ? "auto" : "smooth", block: "start" });
  }
}

/** What stands below a row that was opened. */
class Opened {
  constructor(turn, audio, id) {
    this.turn = turn;
    this.audio = audio;
    this.views = { "Around the answer": this.around(), "Whole turn": turn.window, "Whole trial": [0, turn.of.length_ms] };
    this.view = turn.u_off === null ? "Whole trial" : "Around the answer";
    this.at = this.range()[0];
    this.svg = el("svg:svg", { class: "water", role: "img", "aria-label": this.spoken() });
    this.svg.addEventListener("click", (event) => {
      const px = event.clientX - this.svg.getBoundingClientRect().left;
      this.seek(Math.min(this.range()[1], Math.max(this.range()[0], this.picture.time(px))));
    });
    this.play = el("button", { type: "button", class: "play", onclick: () => this.toggle() }, "▶ Play");
    this.slider = el("input", {
      type: "range", min: 0, max: 1000, step: 1, value: 0, "aria-label": "Position in the recording",
      oninput: () => {
        const [from, to] = this.range();
        this.seek(from + (Number(this.slider.value) / 1000) * (to - from));
      },
    });
    this.clock = el("output", {});
    this.note = el("p", { class: "hint", role: "status" });
    if (!audio) {
      this.play.disabled = true;
      this.note.textContent = turn.of.problem || "The recordings were left out of this page.";
    } else {
      this.note.textContent = "Left: the user. Right: the agent. Click into the picture to hear from there.";
    }
    this.box = el("div", { class: "turn", id }, ...this.words(),
      el("div", { class: "player" }, this.play, this.switch(), this.slider, this.clock),
      this.svg, this.note, this.list());
    new ResizeObserver(() => this.draw()).observe(this.box);
    document.addEventListener("recoloured", () => this.box.isConnected && this.draw());
    this.moved();
  }

  range() {
    return this.views[this.view];
  }

  around() {
    const { u_off: off, a_on: on, window: whole } = this.turn;
    if (off === null) return whole;
    const [first, last] = on === null ? [off, off + 1500] : [Math.min(off, on), Math.max(off, on)];
    const margin = Math.min(1500, Math.max(500, 0.8 * (last - first)));
    return [Math.max(0, first - margin), last + margin];
  }

  spoken() {
    const { turn } = this;
    const parts = turn.critical.map(partName).join(", ");
    return `Waveforms and stages of the turn. Voice to voice ${figureOf(turn.v2v)} ms. ${parts}`;
  }

  words() {
    const { turn } = this;
    const line = (name, text, small) => [el("dt", {}, name), el("dd", {}, text || "–", small ? el("small", {}, small) : null)];
    const verdict = turn.success === null ? "" : turn.success > 50 ? "right" : `wrong: ${turn.verdict}`;
    const logged = turn.logged === null ? "" : `by the event log ${figureOf(turn.logged)} ms`;
    const gaps = turn.critical.filter((c) => c.name === "gap").reduce((sum, c) => sum + c.end - c.start, 0);
    const residual = turn.missing ? `critical path not whole: no ${turn.missing}`
      : turn.critical.length ? `hand-over gaps ${figureOf(gaps, 1)} ms` : "";
    return [
      turn.reason ? el("p", { class: "why" }, `${DATA.statuses[turn.status]}: ${turn.reason}`) : null,
      el("dl", { class: "said" },
        ...line("said", turn.said),
        ...(turn.of.kind === "duplex" ? [] : line("understood", turn.heard, turn.wer === null ? "" : `WER ${figureOf(turn.wer)} %`)),
        ...line("answer", turn.answer, verdict),
        ...line("voice to voice", turn.v2v === null ? "–" : `${figureOf(turn.v2v, 1)} ms`, [logged, residual].filter(Boolean).join("; ")),
        ...(turn.network ? line("network", turn.network) : [])),
      this.causes(),
    ];
  }

  /** What is known to have made the answer late, and what mends it; nothing where nothing is. */
  causes() {
    const { causes } = this.turn;
    if (!causes.length) return null;
    return el("ul", { class: "causes", "aria-label": "Known causes of lost time" }, ...causes.map((cause) =>
      el("li", {}, el("b", {}, `${figureOf(cause.lost_ms)} ms: `), cause.sentence,
        el("small", {}, [cause.mend, cause.detail].filter(Boolean).join(" · ")))));
  }

  switch() {
    const buttons = Object.keys(this.views).map((name) => el("button", {
      type: "button", "aria-pressed": String(name === this.view),
      onclick: (event) => {
        this.view = name;
        for (const b of event.target.parentNode.children) b.setAttribute("aria-pressed", String(b === event.target));
        this.seek(this.range()[0]);
        this.draw();
      },
    }, name));
    return el("div", { class: "views", role: "group", "aria-label": "What is shown and played" }, ...buttons);
  }

  list() {
    const rows = this.turn.events.map((e) => el("tr", {},
      el("td", {}, figureOf(e.ms, 1)), el("td", { class: "text" }, el("code", {}, e.name)), el("td", { class: "text" }, e.text)));
    const head = el("tr", {}, ...["ms after the user's end", "what", ""].map((t, i) =>
      el("th", { scope: "col", class: i ? "text" : "" }, t)));
    return el("details", {}, el("summary", {}, `What happened, in order (${rows.length})`),
      el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "What happened, in order" },
        el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows))));
  }

  draw() {
    const width = Math.floor(this.svg.getBoundingClientRect().width);
    if (!width) return;
    this.picture = waterfall(this.svg, this.turn, this.turn.of, this.range(), width);
    this.moved();
  }

  /** The cursor, the slider and the clock say where the recording is. */
  moved() {
    const [from, to] = this.range();
    this.slider.value = Math.round((1000 * (this.at - from)) / (to - from));
    const zero = this.turn.u_off ?? 0;
    this.clock.textContent = `${figureOf(this.at - zero)} ms`;
    this.slider.setAttribute("aria-valuetext", this.clock.textContent);
    if (!this.picture) return;
    const at = this.picture.x(this.at);
    this.picture.cursor.setAttribute("x1", at);
    this.picture.cursor.setAttribute("x2", at);
    this.picture.cursor.setAttribute("visibility", this.at > from || playing === this ? "visible" : "hidden");
  }

  seek(ms) {
    this.at = ms;
    if (playing === this) sound.currentTime = ms / 1000;
    this.moved();
  }

  async toggle() {
    if (playing === this && !sound.paused) {
      sound.pause();
      return;
    }
    if (playing !== this) {
      stop();
      playing = this;
      sound.src = addressOf(this.audio);
    }
    const [from, to] = this.range();
    if (this.at >= to - 20) this.at = from;
    sound.currentTime = this.at / 1000;
    try {
      await sound.play();
    } catch (error) {
      if (error.name !== "AbortError") this.failed();
    }
  }

  failed() {
    this.note.textContent = "This browser can't play the recording (Vorbis in Ogg): try another one, or the FLAC file in the run's folder audio/.";
  }

  follow() {
    if (playing !== this) return;
    this.at = sound.currentTime * 1000;
    if (this.at >= this.range()[1]) {
      sound.pause();
      this.at = this.range()[1];
    }
    this.moved();
    if (!sound.paused) requestAnimationFrame(() => this.follow());
  }
}

function stop() {
  if (!playing) return;
  const last = playing;
  playing = null;
  sound.pause();
  if (sound.src.startsWith("blob:")) URL.revokeObjectURL(sound.src);
  sound.removeAttribute("src");
  last.play.textContent = "▶ Play";
}

sound.addEventListener("play", () => {
  if (!playing) return;
  playing.play.textContent = "❚❚ Pause";
  playing.follow();
});
sound.addEventListener("pause", () => {
  if (playing) playing.play.textContent = "▶ Play";
});
sound.addEventListener("error", () => {
  if (playing && sound.getAttribute("src")) playing.failed();
});

function openNamed() {
  const named = /^#turn-(\d+)-(\d+)$/.exec(window.location.hash);
  if (named) lists[Number(named[1])]?.show(Number(named[2]));
}

for (const place of document.querySelectorAll(".turns")) lists.push(new TurnList(place));
window.addEventListener("hashchange", openNamed);
drawAll();
openNamed();
