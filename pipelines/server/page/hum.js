// "Mm-hm", aloud: two hummed notes, the second rising, through lips that stay shut (a low-pass: a
// nasal lets little out above its first formant). It is the page's own sound: no recording of the
// agent holds it, and nothing is measured of it.
"use strict";

const MM_HM = [
  { begins_s: 0, lasts_s: .17, from_hz: 120, to_hz: 112, level: .7 },
  { begins_s: .24, lasts_s: .3, from_hz: 126, to_hz: 158, level: 1 },
];
const HUM_LEVEL = .15, LIPS_HZ = 320;

// Returns whether it was said: before the sound is on it can't be.
function hum() {
  const { context } = sound;
  if (context?.state !== "running") return false;
  for (const note of MM_HM) {
    const at = context.currentTime + note.begins_s, end = at + note.lasts_s;
    const voice = new OscillatorNode(context, { type: "sawtooth", frequency: note.from_hz });
    voice.frequency.setValueAtTime(note.from_hz, at);
    voice.frequency.linearRampToValueAtTime(note.to_hz, end);
    const lips = new BiquadFilterNode(context, { type: "lowpass", frequency: LIPS_HZ, Q: 2 });
    const level = new GainNode(context, { gain: 0 });
    level.gain.setValueAtTime(0, at);
    level.gain.linearRampToValueAtTime(HUM_LEVEL * note.level, at + .04);
    level.gain.setValueAtTime(HUM_LEVEL * note.level, end - .08);
    level.gain.linearRampToValueAtTime(0, end);
    voice.connect(lips).connect(level).connect(sound.hums);
    voice.start(at);
    voice.stop(end);
  }
  return true;
}
