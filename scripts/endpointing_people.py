"""Recordings of people as turns with pauses, in eot-bench's columns: for duplex-lab endpointing.

    python scripts/endpointing_people.py FOLDER people.parquet
    duplex-lab endpointing --rows people.parquet

Each WAV of the folder is one turn (16 kHz, mono). Its pauses are the stretches of at least 0.1 s
that lie 25 dB below its speech; its end is the last sound. Its own quietest 0.2 s follow, again and
again for 3.6 s, so that the end sounds like the room.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.endpointing.rows import write_rows
from bench.endpointing.turns import AFTER_S, LEAST_S, Silence, UserTurn
from bench.fixtures.library import RATE_HZ
from pipelines.cascade.endpointing.track import level_db
from pipelines.errors import LabError

HOP = RATE_HZ // 100
BELOW_SPEECH_DB = 25.0
"""Sound that lies this far below the speech's 80th percentile is a pause."""
ROOM = RATE_HZ // 5


def main() -> None:
    """Reads a folder, writes a Parquet file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    files = sorted(given.folder.glob("*.wav"))
    if not files:
        sys.exit(f"{given.folder}: there is no .wav in it.")
    try:
        turns = [turn_of(path) for path in files]
        write_rows(given.out, turns)
    except LabError as error:
        sys.exit(str(error))
    pauses = sum(len(turn.silences) - 1 for turn in turns)
    print(f"{given.out}: {len(turns)} turns with {pauses} pauses of at least {LEAST_S} s")


def turn_of(path: Path) -> UserTurn:
    """A recording as a turn.

    Raises:
        LabError: it is no recording of speech at 16 kHz.
    """
    import soundfile

    try:
        pcm, rate_hz = soundfile.read(path, dtype="int16")
    except soundfile.SoundFileError as error:
        raise LabError(f"{path}: can't be read ({error}).") from None
    if rate_hz != RATE_HZ or pcm.ndim != 1 or len(pcm) < RATE_HZ:
        raise LabError(f"{path}: a mono recording of at least 1 s at {RATE_HZ} Hz is needed.")
    levels = np.array([level_db(pcm[i : i + HOP]) for i in range(0, len(pcm) - HOP + 1, HOP)])
    loud = np.flatnonzero(levels > np.percentile(levels, 80) - BELOW_SPEECH_DB)
    end = int(loud[-1] + 1) * HOP
    after = np.resize(room(pcm, levels), round(AFTER_S * RATE_HZ))
    whole = np.concatenate([pcm[:end], after])
    pauses = [Silence(a * HOP / RATE_HZ, b * HOP / RATE_HZ) for a, b in gaps(loud)]
    last = Silence(end / RATE_HZ, len(whole) / RATE_HZ)
    return UserTurn(path.stem, "en", whole, (*pauses, last))


def gaps(loud: NDArray[np.intp]) -> Iterator[tuple[int, int]]:
    """(start, end) of the stretches between loud hops, in hops, that are long enough."""
    for before, after in pairwise(loud):
        if (after - before - 1) * HOP >= LEAST_S * RATE_HZ:
            yield int(before) + 1, int(after)


def room(pcm: NDArray[np.int16], levels: NDArray[np.float64]) -> NDArray[np.int16]:
    """The quietest 0.2 s of a recording, and the same backwards: no click where it repeats."""
    n = ROOM // HOP
    quiet = np.convolve(levels, np.ones(n) / n, mode="valid").argmin()
    part = pcm[quiet * HOP : quiet * HOP + ROOM]
    return np.concatenate([part, part[::-1]])


if __name__ == "__main__":
    main()
