// The loop: at each refresh of the screen, what is due is shown, and the face drawn once.
"use strict";

let lastFrame = null;
const gaps = [];
function lipsOf(m, now) {
  if (m.visemes?.length) {
    const at = m.at === undefined ? null : heardAt(now);
    const rate = sound.runs.at(-1)?.rate;
    const since = at !== null && rate ? (at - m.at) / rate * 1000 : now - m.arrived;
    const keys = m.visemes;
    const next = keys.findIndex(k => k[0] > since);
    const b = next < 0 ? keys.at(-1) : keys[next];
    const a = next <= 0 ? b : keys[next - 1];
    const share = b === a ? 0 : (since - a[0]) / (b[0] - a[0]);
    const [open, wide, round] = [1, 2, 3].map(i => clamp(a[i] + share * (b[i] - a[i]), 0, 1));
    // The shapes say which way, the loudness how far: a mouth does not speak into silence.
    return { open: open * (.35 + .65 * Math.min(1, 1.6 * m.mouth)), wide, round };
  }
  return { open: m.mouth, wide: .2, round: 0 };
}

function frame(now) {
  requestAnimationFrame(frame);
  const dt = lastFrame === null ? 16 : now - lastFrame;
  lastFrame = now;
  gaps.push(dt);
  if (gaps.length > 120) gaps.shift();
  face.fps = 1000 * gaps.length / gaps.reduce((a, b) => a + b, 0);
  noteSync();
  showDue(now);
  const m = face.message, plain = document.body.classList.contains("plain");
  const wanted = m.v === 1 ? PRESETS[m.emotion] : lookAt(m.valence, m.arousal);
  const share = calm.matches ? 1 : 1 - Math.exp(-dt / 140);
  for (const key in face.look) face.look[key] += share * (wanted[key] - face.look[key]);
  const target = lipsOf(m, now), quick = 1 - Math.exp(-dt / 18);
  for (const key in target) face.lips[key] += quick * (target[key] - face.lips[key]);
  const stance = pose(now, m.backchannel ?? !m.speaking, m.hum === true && !plain, dt);
  const lips = { ...face.lips, open: Math.max(face.lips.open, .1 * stance.hum) };
  face.pose = stance;
  if (!plain) draw(face.look, lips, stance);
}

document.getElementById("go").onclick = async () => {
  document.getElementById("start").hidden = true;
  try {
    await startSound();
    if (face.mode === "live") await startTalk();
    say("sound", "");
  } catch (error) {
    say("sound", `no sound: ${error.message}`);
  }
  started = true;
  send({ type: "ready" });
};
document.getElementById("full").onclick = () => {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen?.().catch(() => say("full", "no full screen here"));
};
if (!document.documentElement.requestFullscreen) document.getElementById("full").hidden = true;
connect();
requestAnimationFrame(frame);
