// The websocket: face messages in two versions, the voice's samples, and what the page measured.
// What is malformed is ignored and counted. A lost connection is tried again, later and later.
"use strict";

const face = {
  message: { v: 1, emotion: "neutral", mouth: 0, speaking: false },   // what is shown
  due: [],                      // messages that wait until their sample is heard
  counts: { messages: 0, malformed: 0, audio: 0, connections: 0, retries: 0 },
  rows: [], trial: "", mode: "", look: { ...NEUTRAL }, lips: { open: 0, wide: 0, round: 0 }, fps: 0,
};
window.face = face;             // for tests, and for the curious
const told = {};
function say(about, text) {
  told[about] = text;
  document.getElementById("status").textContent = Object.values(told).filter(Boolean).join(" · ");
}

const isNumber = x => typeof x === "number" && Number.isFinite(x);
const clamp = (x, least, most) => Math.min(most, Math.max(least, x));

// A face message, checked and clamped; null where it is none.
function read(text) {
  let m;
  try { m = JSON.parse(text); } catch { return null; }
  if (m === null || typeof m !== "object" || Array.isArray(m)) return null;
  if (typeof m.type === "string") return m;
  m.v ??= 1;
  if (![1, 2].includes(m.v) || typeof m.speaking !== "boolean" || !isNumber(m.mouth)) return null;
  if (m.v === 1 && !(typeof m.emotion === "string" && Object.hasOwn(PRESETS, m.emotion))) return null;
  if (m.v === 2) {
    if (!isNumber(m.valence) || !isNumber(m.arousal)) return null;
    m.valence = clamp(m.valence, -1, 1);
    m.arousal = clamp(m.arousal, -1, 1);
    m.visemes ??= [];
    if (!Array.isArray(m.visemes)) return null;
    if (!m.visemes.every(k => Array.isArray(k) && k.length === 4 && k.every(isNumber))) return null;
  }
  if (m.at !== undefined && !(Number.isInteger(m.at) && Number.isInteger(m.samples))) return null;
  if ([m.backchannel, m.hum].some(flag => flag !== undefined && typeof flag !== "boolean")) return null;
  m.mouth = clamp(m.mouth, 0, 1);
  return m;
}

function take(text) {
  const m = read(text);
  if (m === null) { face.counts.malformed += 1; return; }
  if (m.type) { control(m); return; }
  face.counts.messages += 1;
  m.arrived = performance.now();
  m.trial = face.trial;
  const timed = m.at !== undefined && sound.context?.state === "running" && face.mode === "fixtures";
  if (timed) face.due.push(m);
  else show(m, null);
}

function show(m, drawn_ms) {
  face.message = m;
  document.body.dataset.state = m.state || "";
  const name = m.v === 1 ? m.emotion : `valence ${m.valence.toFixed(1)}, arousal ${m.arousal.toFixed(1)}`;
  const label = `a face, ${name}${m.speaking ? ", speaking" : ""}`;
  if (canvas.ariaLabel !== label) canvas.ariaLabel = label;
  if (drawn_ms !== null && m.samples) {
    face.rows.push({ trial: m.trial, at: m.at, samples: m.samples, mouth: m.mouth, drawn_ms });
  }
}

// At each refresh: the message whose samples are heard now; one that is overtaken still counts.
function showDue(now) {
  if (!face.due.length) return;
  while (face.due.length) {
    const m = face.due[0];
    // A frame holds from its own first sample on, whatever was heard before; what is of no samples
    // holds once all before it was heard.
    const when = m.samples ? whenHeard(m.at) : null;
    const heard = m.samples ? when !== null && when <= now : (heardAt(now) ?? -1) >= m.at;
    const late = now - m.arrived > 1500;      // its sample never came: it was cut, or lost
    if (!heard && !late) return;
    show(face.due.shift(), late ? null : now);
  }
}

function control(m) {
  if (m.type === "hello") {
    face.mode = m.mode;
    face.call = m.call;             // of a server with many calls: which one is this page's
    sound.preroll_ms = m.preroll_ms;
    document.body.classList.toggle("plain", m.plain === true);
    document.title = `duplex-lab: ${m.plain ? "talk" : "face"}`;
    document.getElementById("what").textContent = m.title;
    say("link", `${m.title}`);
    if (m.mode === "live") document.getElementById("go").textContent = "Start: microphone and sound";
    if (started) send({ type: "ready" });
    // For a browser without hands, that may play sound unasked.
    else if (location.hash === "#start") document.getElementById("go").click();
  } else if (m.type === "ping") send({ type: "pong", t_ns: m.t_ns, page_ms: performance.now() });
  else if (m.type === "clear") {
    sound.player?.port.postMessage({ kind: 0, clear: true });
    face.due = [];
    face.message = { ...face.message, mouth: 0, visemes: [], speaking: false };
  } else if (m.type === "trial") { report(); face.trial = m.trial_id; sound.runs = []; face.due = []; }
  else if (m.type === "words") document.getElementById("words").textContent = `${m.who}: ${m.text}`;
}

// Samples: kind (0 agent, 1 user), rate, index of the first; then int16.
function takeAudio(buffer) {
  if (buffer.byteLength < 18 || buffer.byteLength % 2) { face.counts.malformed += 1; return; }
  const head = new DataView(buffer);
  const kind = head.getUint8(0), rate = head.getUint16(2, true);
  if (kind > 1 || rate < 8000) { face.counts.malformed += 1; return; }
  face.counts.audio += 1;
  if (!sound.player) return;
  const pcm = Float32Array.from(new Int16Array(buffer, 16), x => x / 32768);
  const at = Number(head.getBigUint64(8, true));
  sound.player.port.postMessage({ kind, at, rate, pcm }, [pcm.buffer]);
}

let socket = null, wait_ms = 250, started = false;
const FIRST_WAIT_MS = 250, LONGEST_WAIT_MS = 5000;
function send(m) { if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(m)); }

function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const way = location.pathname === "/talk" ? "/face?plain=1" : "/face";
  socket = new WebSocket(`${scheme}://${location.host}${way}`);
  socket.binaryType = "arraybuffer";
  socket.onopen = () => { wait_ms = FIRST_WAIT_MS; face.counts.connections += 1; say("link", "connected"); };
  socket.onmessage = e => (typeof e.data === "string" ? take(e.data) : takeAudio(e.data));
  socket.onclose = () => {
    // A face without a mind is at rest, and says why.
    face.message = { v: 1, emotion: "neutral", mouth: 0, speaking: false, backchannel: false };
    face.due = [];
    face.counts.retries += 1;
    say("link", `no connection: trying again in ${(wait_ms / 1000).toFixed(1)} s`);
    setTimeout(connect, wait_ms * (.8 + .4 * Math.random()));
    wait_ms = Math.min(LONGEST_WAIT_MS, wait_ms * 2);
  };
}

// Rows go to the server once their sound has been heard, with both times on the page's clock.
function report() {
  const rows = [];
  for (const row of face.rows) {
    const heard_ms = whenHeard(row.at);
    if (heard_ms !== null) rows.push({ ...row, heard_ms });
  }
  face.rows = [];
  if (rows.length) send({ type: "rows", rows });
  send({ type: "stats", fps: face.fps, ...face.counts, blinks: life.blinks, nods: life.nods,
    hums: life.hums, output_latency_ms: (sound.context?.outputLatency ?? 0) * 1000 });
}
setInterval(report, 1000);
