// Idle life: blinks at random, a slow sway, nods and mm-hms on request, a gaze that wanders.
// With "reduced motion" asked for, nothing moves but what carries meaning: the expression, the lips.
"use strict";

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const life = {
  blinks: 0, nods: 0, hums: 0,
  gaze: { x: 0, y: 0 },      // where the eyes are
  wanted: null,              // where the camera sees a face, or null
  nextBlink: 1500, blinkAt: -1e9, nextNod: 1e12, nodAt: -1e9, hum: 0, nextGlance: 0, glance: { x: 0, y: 0 },
};
const between = (least, most) => least + Math.random() * (most - least);

function pose(now, backchannel, hums, dt) {
  if (calm.matches) {
    const straight = life.wanted || { x: 0, y: 0 };
    life.gaze = { ...straight };
    return { blink: 0, x: 0, y: 0, tilt: 0, gazeX: straight.x, gazeY: straight.y, hum: 0 };
  }
  if (now > life.nextBlink) {
    life.blinkAt = now;
    life.blinks += 1;
    // Now and then twice in a row, as people do.
    life.nextBlink = now + (Math.random() < .15 ? 260 : between(2000, 6000));
  }
  const inBlink = (now - life.blinkAt) / 150;
  const blink = inBlink < 1 ? Math.sin(Math.PI * inBlink) : 0;
  if (!backchannel) life.nextNod = now + between(1500, 3000);
  else if (now > life.nextNod) {
    life.nodAt = now;
    life.nods += 1;
    life.nextNod = now + between(2500, 5000);
    life.hum = hums && Math.random() < .5 && hum() ? 1 : 0;
    life.hums += life.hum;
  } else if (life.nextNod > now + 1e9) life.nextNod = now + between(1500, 3000);
  const inNod = (now - life.nodAt) / 700;
  const nod = inNod < 1 ? Math.sin(2 * Math.PI * inNod) * (1 - inNod) : 0;
  if (now > life.nextGlance) {
    life.glance = { x: between(-.5, .5), y: between(-.25, .25) };
    life.nextGlance = now + between(900, 3200);
  }
  const target = life.wanted || life.glance;
  const share = 1 - Math.exp(-dt / 90);
  life.gaze.x += share * (target.x - life.gaze.x);
  life.gaze.y += share * (target.y - life.gaze.y);
  return {
    blink,
    x: .035 * Math.sin(now / 2300), y: .025 * Math.sin(now / 1700) + .09 * Math.max(0, nod),
    tilt: .018 * Math.sin(now / 3100), gazeX: life.gaze.x, gazeY: life.gaze.y,
    hum: inNod < 1 ? life.hum * Math.sin(Math.PI * Math.min(1, inNod)) : 0,
  };
}
