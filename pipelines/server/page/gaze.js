// Where to look: the camera's picture, made small, never leaves this page and is not kept. With the
// browser's own FaceDetector the middle of the largest face; else the middle of what moves and of
// what has the colour of skin, which is rough and says so. Without a camera the eyes wander.
"use strict";

const gaze = { how: "wander", why: "no camera was asked for" };
const eyes = document.getElementById("camera");
const button = document.getElementById("look");

async function startGaze() {
  if (gaze.how !== "wander") { stopGaze("the camera was switched off"); return; }
  if (!navigator.mediaDevices?.getUserMedia) {
    tellGaze("wander", "this page was not opened over https or on localhost: no camera");
    return;
  }
  try {
    const want = { video: { facingMode: "user", width: 320, height: 240 }, audio: false };
    eyes.srcObject = await navigator.mediaDevices.getUserMedia(want);
  } catch (error) {
    const why = { NotAllowedError: "the camera was refused", NotFoundError: "there is no camera" };
    tellGaze("wander", why[error.name] || `the camera failed (${error.name})`);
    return;
  }
  await eyes.play().catch(() => {});
  let detector = null;
  try {
    if ("FaceDetector" in window) detector = new FaceDetector({ fastMode: true, maxDetectedFaces: 1 });
  } catch { detector = null; }
  tellGaze(detector ? "face" : "motion", "");
  eyes.srcObject.getVideoTracks()[0].onended = () => stopGaze("the camera went away");
  watch(detector);
}

function stopGaze(why) {
  for (const track of eyes.srcObject?.getTracks() ?? []) { track.onended = null; track.stop(); }
  eyes.srcObject = null;
  tellGaze("wander", why);
}

function tellGaze(how, why) {
  gaze.how = how;
  gaze.why = why;
  if (how === "wander") life.wanted = null;
  button.setAttribute("aria-pressed", String(how !== "wander"));
  const text = { face: "face found by the browser", motion: "rough: motion and skin colour" };
  document.body.dataset.gaze = how;
  say("gaze", how === "wander" ? `eyes wander: ${why}` : `eyes follow you (${text[how]})`);
}

const small = document.createElement("canvas");
small.width = 64;
small.height = 48;
const smallPen = small.getContext("2d", { willReadFrequently: true });
let before = null;

async function watch(detector) {
  while (gaze.how !== "wander") {
    try {
      const found = detector ? await byFace(detector) : byMotion();
      // A mirror: who stands at the picture's left is looked at on the screen's right.
      if (found) life.wanted = { x: 1.6 * (.5 - found.x), y: 1.2 * (found.y - .5) };
    } catch {
      detector = null;
      if (gaze.how !== "wander") tellGaze("motion", "");
    }
    await new Promise(done => setTimeout(done, 100));
  }
}

async function byFace(detector) {
  const [face] = await detector.detect(eyes);
  if (!face) return null;
  const box = face.boundingBox;
  return { x: (box.x + box.width / 2) / eyes.videoWidth, y: (box.y + box.height / 2) / eyes.videoHeight };
}

function byMotion() {
  if (!eyes.videoWidth) return null;
  smallPen.drawImage(eyes, 0, 0, 64, 48);
  const { data } = smallPen.getImageData(0, 0, 64, 48);
  let total = 0, x = 0, y = 0;
  for (let i = 0; i < data.length; i += 4) {
    const [r, g, b] = [data[i], data[i + 1], data[i + 2]];
    const moved = before ? Math.abs(r - before[i]) + Math.abs(g - before[i + 1]) : 0;
    const skin = r > 60 && r > 1.15 * g && g > .8 * b ? 12 : 0;
    const weight = (moved > 24 ? moved : 0) + skin;
    total += weight;
    x += weight * ((i / 4) % 64);
    y += weight * Math.floor(i / 256);
  }
  before = data;
  return total > 400 ? { x: x / total / 63, y: y / total / 47 } : null;
}

button.onclick = startGaze;
