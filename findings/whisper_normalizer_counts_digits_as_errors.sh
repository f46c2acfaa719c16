#!/bin/sh
# whisper-normalizer: "one two three" against "1 2 3" is three word errors, though both are digits.
#
# Guess: Whisper's English text normaliser brings a number to one spelling however it was written,
#        so that the word error rate of a transcript with digits is that of the same words spelt out
#        (its paper: the normaliser is there so that only actual mistranscriptions are penalised).
# Seen:  it does for "twenty five" and "25", but a lone digit 1 is turned into the word "one", while
#        spelt-out digits are joined: "one two three" becomes "123", and "1 2 3" becomes "one 2 3".
#        A time said in words becomes one number ("730"), in digits two ("7 30"); "okay" and "OK"
#        stay two words; the "o" of "o'clock" is read as a zero, so "nine o'clock" is "90 clock".
# Date:  2026-11-30, with whisper-normalizer 0.1.15 on Python 3.11, Linux x86-64.
# Ours:  bench/stats/normalised.py, which brings these to one spelling before and after its rules.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check whisper-normalizer==0.1.15
"$folder/venv/bin/python" -W ignore - <<'PROBE'
import sys
from importlib.metadata import version

from whisper_normalizer.english import EnglishTextNormalizer

normalise = EnglishTextNormalizer()
print("Python", sys.version.split()[0], "whisper-normalizer", version("whisper-normalizer"))
PAIRS = [  # said, written, and what becomes of each
    ("twenty five", "25", "25", "25"),
    ("one two three", "1 2 3", "123", "one 2 3"),
    ("seven thirty", "7:30", "730", "7 30"),
    ("okay", "OK", "okay", "ok"),
    ("nine o'clock", "ninety clock", "90 clock", "90 clock"),
]
changed = []
for said, written, of_said, of_written in PAIRS:
    seen = normalise(said), normalise(written)
    print(f"{said!r:18} -> {seen[0]!r:12} {written!r:12} -> {seen[1]!r}")
    if seen != (of_said, of_written):
        changed.append(f"{said!r} and {written!r}: were {(of_said, of_written)}, are {seen}")
sys.exit("This has changed: " + "; ".join(changed) if changed else 0)
PROBE
