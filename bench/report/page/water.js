/* A turn's waterfall: both waveforms, and below them on the same axis what each stage did. */

const LANE = { height: 24, bar: 14 };
const WAVE_PX = 52;
const TOP_PX = 40;
/** A text with an edge of the ground's colour: readable on whatever lies below. */
const EDGED = { stroke: "var(--card)", strokeWidth: "4px", paintOrder: "stroke" };
const LANES = [
  ["vad", "VAD"], ["stt", "STT"], ["turn", "turn"], ["llm", "LLM"], ["tts", "TTS"],
  ["out", "output"],
];
const FRAME_LANES = [
  ["encode", "start", "encoded"], ["step", "encoded", "stepped"],
  ["decode", "decode_start", "done"],
];

/** base64 of int8, as an array. */
function swings(text) {
  const raw = atob(text);
  const values = new Int8Array(raw.length);
  for (let i = 0; i < raw.length; i += 1) values[i] = raw.charCodeAt(i);
  return values;
}

/** One channel as the outline of a shape, between two times. */
function outline(values, bucketMs, x, from, to, middle, half) {
  const first = Math.max(0, Math.floor(from / bucketMs));
  const last = Math.min(values.length / 2 - 1, Math.ceil(to / bucketMs));
  const peak = Math.max(24, ...values.map(Math.abs));
  const up = [];
  const down = [];
  for (let i = first; i <= last; i += 1) {
    const at = x((i + 0.5) * bucketMs).toFixed(1);
    up.push(`${at},${(middle - (values[2 * i + 1] / peak) * half - 0.5).toFixed(1)}`);
    down.push(`${at},${(middle - (values[2 * i] / peak) * half + 0.5).toFixed(1)}`);
  }
  return up.length ? `M${up.join("L")}L${down.reverse().join("L")}Z` : "";
}

function ticksOf(from, to, zero, width) {
  const span = to - from;
  const wanted = span / Math.max(2, width / 70);
  const step = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000]
    .find((s) => s >= wanted) || 100000;
  const ticks = [];
  for (let t = Math.ceil((from - zero) / step) * step; t + zero <= to; t += step) ticks.push(t);
  return ticks;
}

/** What stands beside a bar. */
function partName(span) {
  return `${DATA.pieces[span.name] || span.name} ${figureOf(span.end - span.start, span.end - span.start < 10 ? 1 : 0)} ms`;
}

/**
 * Draws a turn.
 * @param {SVGElement} svg emptied and filled
 * @param {object} turn, trial the cards
 * @param {[number, number]} view ms of the recording
 * @param {number} width px
 * @returns {{x: function(number): number, time: function(number): number, cursor: SVGElement}}
 */
function waterfall(svg, turn, trial, view, width) {
  const [from, to] = view;
  const left = width < 560 ? 54 : 66;
  const right = width - 8;
  const zero = turn.u_off ?? 0;
  const x = (ms) => left + ((ms - from) / (to - from)) * (right - left);
  const inside = (start, end) => end >= from && start <= to;
  const frames = trial.frames;
  const lanes = LANES.filter(([lane]) =>
    [turn.critical, turn.work, turn.moments].some((all) => all.some((one) => one.lane === lane)));
  const frameLanes = frames
    ? FRAME_LANES.filter(([, a, b]) => frames[a].some((t, i) => t !== null && frames[b][i] !== null))
    : [];
  const rows = [
    ...(frames ? [] : lanes.map(([lane, name]) => ({ lane, name }))),
    ...frameLanes.map(([name, a, b]) => ({ name, a, b })),
    ...(frames ? [{ name: "emitted", out: true }] : []),
    ...(turn.words.length ? [{ name: "text", text: true }] : []),
  ];
  const waves = trial.envelope ? 2 : 0;
  const height = TOP_PX + waves * WAVE_PX + rows.length * LANE.height + 10;
  const bottom = height - 6;
  svg.replaceChildren();
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("height", height);
  const clip = `clip-${Math.random().toString(36).slice(2)}`;
  svg.append(el("svg:defs", {}, el("svg:clipPath", { id: clip },
    el("svg:rect", { x: left, y: 0, width: right - left, height }))));
  const ground = el("svg:g", { "clip-path": `url(#${clip})` });
  const front = el("svg:g", { "clip-path": `url(#${clip})` });
  const names = el("svg:g");
  const labels = el("svg:g", { "clip-path": `url(#${clip})` });
  svg.append(ground, front, names, labels);
  const word = (px, y, text, more = {}) => el("svg:text", { x: px, y, ...more }, text);

  // The axis: ms after the user's end.
  for (const t of ticksOf(from, to, zero, right - left)) {
    const at = x(t + zero);
    ground.append(el("svg:line", { x1: at, x2: at, y1: TOP_PX - 6, y2: bottom, stroke: "var(--soft)" }));
    if (at > left + 8 && at < right - 12) {
      names.append(word(at, 13, `${t < 0 ? "\u2212" : ""}${Math.abs(t)}`, { "text-anchor": "middle", class: "dim" }));
    }
  }
  names.append(word(0, 13, "ms", { class: "dim" }));
  if (turn.u_off !== null && turn.a_on !== null) {
    const [a, b] = [Math.min(turn.u_off, turn.a_on), Math.max(turn.u_off, turn.a_on)];
    ground.append(el("svg:rect", { x: x(a), width: Math.max(1, x(b) - x(a)), y: TOP_PX - 6, height: bottom - TOP_PX + 6, fill: "var(--band)" }));
  }

  // Waveforms
  let y = TOP_PX;
  if (waves) {
    for (const who of ["user", "agent"]) {
      const middle = y + WAVE_PX / 2;
      const shape = outline(swings(trial.envelope[who]), trial.envelope.bucket_ms, x, from, to, middle, WAVE_PX / 2 - 4);
      ground.append(
        el("svg:line", { x1: left, x2: right, y1: middle, y2: middle, stroke: "var(--line)" }),
        el("svg:path", { d: shape, fill: `var(--${who})` }),
      );
      names.append(word(0, middle + 4, who));
      y += WAVE_PX;
    }
  }

  // Stages
  for (const row of rows) {
    const middle = y + LANE.height / 2;
    names.append(word(0, middle + 4, row.name));
    ground.append(el("svg:line", { x1: left, x2: right, y1: y, y2: y, stroke: "var(--soft)" }));
    if (row.lane) stageLane(row.lane, middle);
    else if (row.text) textLane(middle);
    else frameLane(row, middle);
    y += LANE.height;
  }

  function box(start, end, middle, fill, title, more = {}) {
    const px = x(start);
    return el("svg:rect", {
      x: px, width: Math.max(1.5, x(end) - px), y: middle - LANE.bar / 2, height: LANE.bar, fill, rx: 2, ...more,
    }, el("svg:title", {}, title));
  }

  function stageLane(lane, middle) {
    for (const one of turn.work.filter((w) => w.lane === lane)) {
      const end = one.end ?? to;
      const open = one.end === null ? ", no end is marked" : ` ${figureOf(end - one.start, 1)} ms`;
      front.append(box(one.start, end, middle, "var(--faint)", one.name + open, { "fill-opacity": 0.28 }));
    }
    const own = turn.critical.filter((c) => c.lane === lane);
    for (const one of own) {
      front.append(box(one.start, one.end, middle, `var(--${one.name})`, partName(one)));
    }
    for (const one of turn.moments.filter((m) => m.lane === lane)) {
      const at = x(one.at);
      front.append(el("svg:path", {
        d: `M${at} ${middle - LANE.bar / 2 - 3}v${LANE.bar + 6}`, stroke: "var(--ink)", "stroke-width": 1.6,
      }, el("svg:title", {}, `${one.name}: ${figureOf(one.at - zero, 1)} ms`)));
    }
    const shown = own.filter((one) => one.name !== "gap" && inside(one.start, one.end));
    const main = shown.sort((a, b) => (b.end - b.start) - (a.end - a.start))[0];
    if (!main) return;
    const [a, b] = [Math.max(x(main.start), left), Math.min(x(main.end), right)];
    const answered = turn.a_on === null ? -1 : x(turn.a_on);
    const beside = Math.abs(b - answered) < 12 ? answered + 6 : b + 6;
    // In its bar if it fits, else right of it, else left; where there is no room, the time alone.
    for (const text of [partName(main), `${figureOf(main.end - main.start)} ms`]) {
      const room = text.length * 6.8;
      const at = b - a > room + 8 ? a + 6
        : beside + room < right ? beside
          : a - 6 - room > left ? a - 6 - room : null;
      if (at === null) continue;
      const style = at === a + 6 ? { fill: "#000" } : EDGED;
      labels.append(el("svg:text", { x: at, y: middle + 4, style }, text));
      break;
    }
  }

  function frameLane(row, middle) {
    if (row.out) {
      frames.frame_out.forEach((t) => {
        if (t === null || !inside(t, t)) return;
        front.append(el("svg:path", { d: `M${x(t)} ${middle - 7}v14`, stroke: "var(--ink)", "stroke-width": 1.5 },
          el("svg:title", {}, `frame emitted, ${figureOf(t - zero, 1)} ms`)));
      });
      return;
    }
    frames[row.a].forEach((start, i) => {
      const end = frames[row.b][i];
      if (start === null || end === null || !inside(start, end)) return;
      front.append(box(start, end, middle, `var(--${row.name})`, `${row.name} ${figureOf(end - start, 1)} ms`, {
        "fill-opacity": i % 2 ? 0.62 : 1,
      }));
    });
  }

  function textLane(middle) {
    let free = left;
    for (const [t, text] of turn.words) {
      if (!inside(t, t) || x(t) < free) continue;
      labels.append(el("svg:text", { x: x(t), y: middle + 4, style: EDGED }, text));
      free = x(t) + text.length * 7 + 4;
    }
  }

  // The user's end, the answer's start, and the time between.
  const flags = [[turn.u_off, "user ends", "end"], [turn.a_on, "answer heard", "start"]];
  for (const [ms, text, side] of flags) {
    if (ms === null || !inside(ms, ms)) continue;
    const at = x(ms);
    const wide = 6.5 * text.length + 6;
    const anchor = at < left + wide ? "start" : at > right - wide ? "end" : side;
    names.append(
      el("svg:line", { x1: at, x2: at, y1: 20, y2: bottom, stroke: "var(--ink)", "stroke-width": 1.4, "stroke-dasharray": "4 3" }),
      word(at + (anchor === "end" ? -4 : 4), 30, text, { "text-anchor": anchor }),
    );
  }
  const cursor = el("svg:line", {
    x1: left, x2: left, y1: TOP_PX - 8, y2: bottom, stroke: "var(--cursor)", "stroke-width": 2, visibility: "hidden",
  });
  svg.append(cursor);
  return { x, cursor, time: (px) => from + ((px - left) / (right - left)) * (to - from) };
}
