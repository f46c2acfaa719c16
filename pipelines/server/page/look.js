// What a face looks like: presets, the valence–arousal plane, and the drawing itself. It decides
// nothing: it is given a preset or a point of the plane, and the shape of the lips.
"use strict";

const NEUTRAL = { browIn: 0, browOut: 0, lid: 0, lower: 0, eye: 0, smile: 0, sneer: 0, gape: 0, pupil: 0 };
const PRESETS = {
  neutral: { ...NEUTRAL },
  happy: { ...NEUTRAL, browIn: .15, browOut: .2, lower: .5, smile: 1, pupil: .1 },
  sad: { ...NEUTRAL, browIn: .8, browOut: -.5, lid: .32, smile: -.75 },
  angry: { ...NEUTRAL, browIn: -1, browOut: .45, lid: .12, lower: .35, smile: -.45, pupil: -.2 },
  afraid: { ...NEUTRAL, browIn: 1, browOut: .3, eye: .3, smile: -.35, gape: .18, pupil: -.35 },
  surprised: { ...NEUTRAL, browIn: .9, browOut: 1, eye: .45, gape: .5, pupil: .15 },
  disgusted: { ...NEUTRAL, browIn: -.55, browOut: -.1, lid: .3, lower: .55, smile: -.55, sneer: 1 },
};
// Where the presets lie on the plane [valence, arousal]. Anger and fear lie near one another: two
// axes can't tell them well apart, which is a limit of the plane, not of the drawing.
const PLANE = {
  neutral: [0, 0], happy: [.8, .45], sad: [-.65, -.5], angry: [-.85, .5], afraid: [-.5, .85],
  surprised: [.2, .9], disgusted: [-.8, .05],
};
const CALM = { at: [.5, -.6], look: { ...NEUTRAL, smile: .5, lid: .25 } };

// Any point between the presets: each weighs by the inverse square of its distance.
function lookAt(valence, arousal) {
  const near = Object.entries(PLANE).map(([name, at]) => [at, PRESETS[name]]);
  near.push([CALM.at, CALM.look]);
  const out = { ...NEUTRAL };
  let total = 0;
  for (const [[v, a], look] of near) {
    const d2 = (v - valence) ** 2 + (a - arousal) ** 2;
    if (d2 < 1e-9) return { ...look };
    const weight = 1 / d2 ** 1.5;
    total += weight;
    for (const key in out) out[key] += weight * look[key];
  }
  for (const key in out) out[key] /= total;
  return out;
}

const canvas = document.getElementById("face");
const pen = canvas.getContext("2d");
let unit = 100, midX = 0, midY = 0;

function fit() {
  const ratio = Math.min(2, window.devicePixelRatio || 1);
  canvas.width = Math.round(innerWidth * ratio);
  canvas.height = Math.round(innerHeight * ratio);
  unit = Math.min(canvas.width / 3.1, canvas.height / 3.9);
  midX = canvas.width / 2;
  midY = canvas.height * .48;
}
addEventListener("resize", fit);
fit();

// look: the expression; lips: {open, wide, round}; pose: {blink, x, y, tilt, gazeX, gazeY}.
function draw(look, lips, pose) {
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.fillStyle = "#16323a";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.setTransform(unit, 0, 0, unit, midX + pose.x * unit, midY + pose.y * unit);
  pen.rotate(pose.tilt);
  pen.fillStyle = "#2c6b70";
  pen.beginPath();
  pen.roundRect(-1.32, -1.42, 2.64, 2.9, 1.05);
  pen.fill();
  pen.fillStyle = "#ffffff14";
  for (const side of [-1, 1]) {
    pen.beginPath();
    pen.ellipse(side * .82, .42, .26, .15, 0, 0, 7);
    pen.fill();
  }
  for (const side of [-1, 1]) eye(side, look, pose);
  if (look.sneer > .05) nose(look.sneer);
  mouth(look, lips);
}

function eye(side, look, pose) {
  const x = side * .56, y = -.34, wide = .34, high = .4 * (1 + .45 * look.eye);
  const top = Math.max(look.lid, pose.blink), low = Math.max(look.lower * .7, pose.blink * .35);
  pen.save();
  pen.beginPath();
  pen.ellipse(x, y, wide, high, 0, 0, 7);
  pen.clip();
  pen.fillStyle = "#f6fbfa";
  pen.fillRect(x - 1, y - 1, 2, 2);
  const px = x + pose.gazeX * .15, py = y + pose.gazeY * .15, r = .17 * (1 + .5 * look.pupil);
  pen.fillStyle = "#14232b";
  pen.beginPath();
  pen.arc(px, py, r, 0, 7);
  pen.fill();
  pen.fillStyle = "#ffffffd0";
  pen.beginPath();
  pen.arc(px - .06, py - .07, .045, 0, 7);
  pen.fill();
  pen.fillStyle = "#245a60";
  pen.fillRect(x - 1, y - high - .01, 2, top * 2 * high + .01);
  // The lower lid is a hill: it lifts the cheek into the eye.
  if (low > 0) {
    pen.beginPath();
    pen.ellipse(x, y + high * 1.55 - low * high * .95, wide * 1.5, high * .85, 0, 0, 7);
    pen.fill();
  }
  pen.restore();
  const inX = x - side * .3, outX = x + side * .36;
  const inY = y - .56 - .2 * look.browIn, outY = y - .54 - .17 * look.browOut;
  pen.strokeStyle = "#10282d";
  pen.lineWidth = .1;
  pen.lineCap = "round";
  pen.beginPath();
  pen.moveTo(inX, inY);
  pen.quadraticCurveTo(x, Math.min(inY, outY) - .05, outX, outY);
  pen.stroke();
}

function nose(sneer) {
  pen.strokeStyle = "#10282d";
  pen.globalAlpha = Math.min(1, sneer);
  pen.lineWidth = .045;
  for (const y of [.02, .13]) {
    pen.beginPath();
    pen.moveTo(-.15, y + .05);
    pen.quadraticCurveTo(0, y - .06, .15, y + .05);
    pen.stroke();
  }
  pen.globalAlpha = 1;
}

function mouth(look, lips) {
  const open = Math.min(1, Math.max(lips.open, look.gape * (1 - lips.open) + lips.open));
  const half = .5 * (1 + .3 * lips.wide - .5 * lips.round - .3 * look.gape);
  const y = .72, corner = y - .2 * look.smile, gap = .04 + .62 * open;
  // With the jaw's fall the upper lip stays where it is; the corners rise with a smile.
  const upper = y + .16 * look.smile * (1 - .4 * open) - .1 * look.sneer - .12 * gap;
  const lower = upper + gap * (1 + .2 * lips.round) * 1.3;
  const outline = new Path2D();
  outline.moveTo(-half, corner);
  outline.bezierCurveTo(-half * .5, upper, half * .5, upper, half, corner);
  outline.bezierCurveTo(half * .8, lower + .1 * open, -half * .8, lower + .1 * open, -half, corner);
  outline.closePath();
  pen.fillStyle = "#3a0f1c";
  pen.fill(outline);
  if (open > .12) {
    pen.save();
    pen.clip(outline);
    pen.fillStyle = "#f3efe6";
    pen.fillRect(-half * .7, upper - .3, half * 1.4, .3 + .07 + .1 * open * (1 - lips.round));
    pen.fillStyle = "#c2566a";
    pen.beginPath();
    pen.ellipse(0, lower + .02, half * .55, .26 * open, 0, 0, 7);
    pen.fill();
    pen.restore();
  }
  pen.strokeStyle = "#10282d";
  pen.lineWidth = .075;
  pen.lineJoin = "round";
  pen.stroke(outline);
}
