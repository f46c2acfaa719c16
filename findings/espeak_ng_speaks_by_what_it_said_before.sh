#!/bin/sh
# espeak-ng: the sound of a sentence depends on what the process has said before.
#
# Guess: a formant synthesiser has no chance in it: the same text by the same voice at the same speed
#        is the same sound, sample for sample, so that a cached sentence, or one of another process,
#        can be compared with a new one.
# Seen:  it is the same only with the same history. Said first in each of two processes, it is equal
#        to the last bit; said three times in one process, and once after another sentence, it has
#        four sounds, not all of one length. Looked at apart, windows of 200 ms, each at its best
#        shift, correlated by 0.61 to 0.97: whoever compares waves takes that for another sound.
# Date:  2026-12-01, with espeakng-loader 0.2.4 (which carries espeak-ng 1.52) on Python 3.11, Linux
#        x86-64.
# Ours:  tests/bench/chains/bots/under_runner.py, where two calls are compared sample by sample, lets
#        each voice say the same from the start.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check espeakng-loader==0.2.4
cat > "$folder/say.py" <<'SAY'
import ctypes
import hashlib
import sys
from importlib.metadata import version

import espeakng_loader

pcm = bytearray()


@ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
def take(samples, count, events):
    if samples and count > 0:
        pcm.extend(ctypes.string_at(samples, 2 * count))
    return 0


library = ctypes.CDLL(espeakng_loader.get_library_path())
synchronous = 2
assert library.espeak_Initialize(synchronous, 0, espeakng_loader.get_data_path().encode(), 0) > 0
library.espeak_SetSynthCallback(take)
assert library.espeak_SetVoiceByName(b"en-us") == 0
library.espeak_Info.restype = ctypes.c_char_p
about = library.espeak_Info(None).decode()


def say(text):
    pcm.clear()
    data = text.encode() + b"\0"
    assert library.espeak_Synth(data, ctypes.c_size_t(len(data)), 0, 1, 0, 1, None, None) == 0
    return len(pcm) // 2, hashlib.sha256(pcm).hexdigest()[:12]


print(f"espeakng-loader {version('espeakng-loader')}, espeak-ng {about}", file=sys.stderr)
sentence = "okay i will go to the kitchen."
first, second, third = say(sentence), say(sentence), say(sentence)
say("hello there.")
for samples, digest in (first, second, third, say(sentence)):
    print(samples, digest)
SAY
one=$("$folder/venv/bin/python" "$folder/say.py")
two=$("$folder/venv/bin/python" "$folder/say.py" 2>/dev/null)
echo "samples and digest; first, second, third time, and after another sentence:"
echo "$one"
[ "$one" = "$two" ] || { echo "CHANGED: a second process of the same history differs"; exit 1; }
echo "a second process of the same history: equal to the last bit"
[ "$(echo "$one" | cut -d' ' -f2 | sort -u | wc -l)" -eq 4 ] || {
  echo "CHANGED: the same sentence has the same sound"
  exit 1
}
[ "$(echo "$one" | cut -d' ' -f1 | sort -u | wc -l)" -ge 2 ] || {
  echo "CHANGED: the same sentence has the same length"
  exit 1
}
