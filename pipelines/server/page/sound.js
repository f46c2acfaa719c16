// The voice, and when each of its samples is heard. An audio worklet plays numbered samples behind
// a short pre-roll and says at which sample of its own clock each unbroken run began; the browser
// pairs that clock with the page's (getOutputTimestamp). So the mouth follows what is heard.
"use strict";

const WORKLET = `
registerProcessor("player", class extends AudioWorkletProcessor {
  constructor(options) {
    super();
    this.preroll = options.processorOptions.preroll_ms / 1000 * sampleRate;
    this.streams = [0, 1].map(kind => ({ kind, chunks: [], at: 0, from: 0, playing: false }));
    this.port.onmessage = ({ data }) => {
      const s = this.streams[data.kind];
      if (data.clear) { s.chunks = []; this.end(s); return; }
      if (!s.chunks.length && !s.playing) s.from = currentFrame + this.preroll;
      s.chunks.push(data);
    };
  }
  end(s) {
    if (s.playing) this.port.postMessage({ kind: s.kind, end: Math.min(s.at, s.next), frame: currentFrame });
    s.playing = false;
  }
  process(_, [[out]]) {
    for (const s of this.streams) {
      for (let i = 0; i < out.length; i++) {
        let c = s.chunks[0];
        while (c && s.playing && s.at >= c.at + c.pcm.length) {
          s.chunks.shift();
          c = s.chunks[0];
          if (c && c.at !== s.next) { s.playing = false; s.from = currentFrame; }
          if (c) s.next = c.at + c.pcm.length;
        }
        if (!c) { if (s.playing) this.end(s); break; }
        if (!s.playing) {
          if (currentFrame + i < s.from) continue;
          s.playing = true;
          s.at = c.at;
          s.next = c.at + c.pcm.length;
          this.port.postMessage({ kind: s.kind, at: s.at, frame: currentFrame + i, rate: c.rate });
        }
        const x = s.at - c.at, k = Math.floor(x), share = x - k;
        const a = c.pcm[Math.min(k, c.pcm.length - 1)];
        const b = k + 1 < c.pcm.length ? c.pcm[k + 1] : (s.chunks[1] ? s.chunks[1].pcm[0] : a);
        out[i] += a + share * (b - a);
        s.at += c.rate / sampleRate;
      }
    }
    return true;
  }
});`;

const sound = {
  context: null, player: null, meter: null,
  hums: null,   // where mm-hms come out
  runs: [],     // of the agent's stream: {at, frame, rate, end}; the last may still be open
  sync: [],     // [audio clock s, page clock ms], the newest 200
  preroll_ms: 160,
};

async function startSound() {
  sound.context = new AudioContext({ latencyHint: "interactive" });
  const url = URL.createObjectURL(new Blob([WORKLET], { type: "text/javascript" }));
  await sound.context.audioWorklet.addModule(url);
  URL.revokeObjectURL(url);
  const options = { processorOptions: { preroll_ms: sound.preroll_ms }, outputChannelCount: [1] };
  sound.player = new AudioWorkletNode(sound.context, "player", options);
  sound.player.port.onmessage = ({ data }) => {
    if (data.kind !== 0) return;
    const last = sound.runs.at(-1);
    if (last && last.end === undefined) last.end = data.end ?? data.at;
    if (data.at !== undefined) sound.runs.push(data);
    if (sound.runs.length > 200) sound.runs.shift();
  };
  sound.meter = sound.context.createAnalyser();
  sound.meter.fftSize = 1024;
  sound.hums = sound.context.createAnalyser();
  sound.hums.connect(sound.context.destination);
  sound.player.connect(sound.meter);
  sound.meter.connect(sound.context.destination);
  await sound.context.resume();
}

function noteSync() {
  if (!sound.context || sound.context.state !== "running") return;
  const { contextTime, performanceTime } = sound.context.getOutputTimestamp();
  const last = sound.sync.at(-1);
  if (!performanceTime || (last && last[0] === contextTime)) return;
  sound.sync.push([contextTime, performanceTime]);
  if (sound.sync.length > 200) sound.sync.shift();
}

// page clock − audio clock, ms: the median of the newest pairs, as single ones jitter.
function clockOffset() {
  const found = sound.sync.slice(-50).map(([audio_s, page_ms]) => page_ms - audio_s * 1000);
  return found.length ? found.sort((a, b) => a - b)[found.length >> 1] : null;
}

// Up to which sample the agent's stream was heard by a time of the page's clock; null: none was.
function heardAt(page_ms) {
  const offset = clockOffset();
  if (offset === null) return null;
  const frame = (page_ms - offset) / 1000 * sound.context.sampleRate;
  for (let i = sound.runs.length - 1; i >= 0; i--) {
    const run = sound.runs[i];
    if (frame < run.frame) continue;
    const at = run.at + (frame - run.frame) * run.rate / sound.context.sampleRate;
    return Math.min(at, run.end ?? Infinity);
  }
  return null;
}

// When a sample was heard, by the page's clock; null where it never was.
function whenHeard(at) {
  const offset = clockOffset();
  if (offset === null) return null;
  for (let i = sound.runs.length - 1; i >= 0; i--) {
    const run = sound.runs[i];
    if (at < run.at || (run.end !== undefined && at >= run.end)) continue;
    const frame = run.frame + (at - run.at) / run.rate * sound.context.sampleRate;
    return offset + frame / sound.context.sampleRate * 1000;
  }
  return null;
}

const samples = new Float32Array(1024);
function loudness(meter = sound.meter) {
  if (!meter) return null;
  meter.getFloatTimeDomainData(samples);
  let sum = 0;
  for (const x of samples) sum += x * x;
  return Math.sqrt(sum / samples.length);
}
