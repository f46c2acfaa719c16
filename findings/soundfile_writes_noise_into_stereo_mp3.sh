#!/bin/sh
# soundfile (libsndfile): stereo MP3 written from int16 is half noise; from floats it is right.
#
# Guess: soundfile.write "data: usually two-dimensional (frames x channels)… dtype float64, float32,
#        int32 and int16 are supported": the type of the samples changes nothing of what is heard.
# Seen:  the same stereo sound written as MP3 from float64 correlates with what was written by 1.00,
#        from int16 by 0.1 on the first channel; no error. Mono is right from both. (Half of each block
#        is not copied: github.com/libsndfile/libsndfile/pull/1106, open on 2026-01-06.)
# Date:  2026-12-01, with soundfile 0.13.1 (libsndfile 1.2.2) on Python 3.11, Linux x86-64.
# Ours:  scripts/score_error.py, the condition MP3, which writes floats.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet soundfile==0.13.1 numpy==2.3.5
"$folder/venv/bin/python" - "$folder/a.mp3" <<'PROBE'
import sys

import numpy as np
import soundfile

RATE_HZ = 16_000
rng = np.random.default_rng(1)
smooth = np.convolve(rng.standard_normal(4 * RATE_HZ), np.ones(40) / 40, mode="same")
mono = np.rint(8000 * smooth / np.abs(smooth).max()).astype(np.int16)
stereo = np.stack([mono, mono[::-1]], axis=1)


def likeness(data):
    """Correlation of what is read with what was written, on the first channel."""
    soundfile.write(sys.argv[1], data, RATE_HZ, format="MP3")
    heard, _ = soundfile.read(sys.argv[1], always_2d=True)
    return round(float(np.corrcoef(heard[: len(mono), 0], mono)[0, 1]), 2)


print("Python", sys.version.split()[0], "soundfile", soundfile.__version__,
      "libsndfile", soundfile.__libsndfile_version__)
found = {
    "mono, int16": likeness(mono),
    "stereo, float64": likeness(stereo / 32_768),
    "stereo, int16": likeness(stereo),
}
for what, of in found.items():
    print(f"{what}: {of:.2f}")
as_described = found["stereo, int16"] < 0.5 < 0.95 < min(list(found.values())[:2])
sys.exit(0 if as_described else "This has changed: see the figures above.")
PROBE
