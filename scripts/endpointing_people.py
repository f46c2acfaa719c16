"""Recordings of people as turns with pauses, in eot-bench's columns: for duplex-lab endpointing.

    python scripts/endpointing_people.py FOLDER people.parquet
    duplex-lab endpointing --rows people.parquet
    python scripts/endpointing_people.py FOLDER people.parquet --stretch 0.7

Each WAV of the folder is one turn (16 kHz, mono). Its pauses are the stretches of at least 0.1 s
that lie 25 dB below its speech; its end is the last sound. Its own quietest 0.2 s follow, again and
again for 3.6 s, so that the end sounds like the room. Who reads aloud pauses little: with --stretch
every dip of at least 40 ms is made a pause of that many seconds, filled with the same room, so that
a person's own melody stands before it.
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
DIP_S = 0.04
"""Shortest stretch that --stretch makes a pause of."""


def main() -> None:
    """Reads a folder, writes a Parquet file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--stretch", type=float, default=0.0, help="length of made pauses, s")
    given = parser.parse_args()
    if given.stretch and not LEAST_S <= given.stretch <= AFTER_S:
        parser.error(f"--stretch must lie between {LEAST_S} and {AFTER_S} s")
    files = sorted(given.folder.glob("*.wav"))
    if not files:
        sys.exit(f"{given.folder}: there is no .wav in it.")
    try:
        turns = [turn_of(path, given.stretch) for path in files]
        write_rows(given.out, turns)
    except LabError as error:
        sys.exit(str(error))
    pauses = sum(len(turn.silences) - 1 for turn in turns)
    print(f"{given.out}: {len(turns)} turns with {pauses} pauses of at least {LEAST_S} s")


def turn_of(path: Path, stretch_s: float = 0.0) -> UserTurn:
    """A recording as a turn.

    Args:
        path: The WAV.
        stretch_s: Length of the pauses that its dips are made; 0: they stay as they are.

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
    quiet = room(pcm, levels)
    parts: list[NDArray[np.int16]] = []
    pauses: list[Silence] = []
    at = done = 0
    for first, last_hop in gaps(loud, DIP_S if stretch_s else LEAST_S):
        a, b = first * HOP, last_hop * HOP
        own = np.resize(quiet, round(stretch_s * RATE_HZ)) if stretch_s else pcm[a:b]
        parts += [pcm[done:a], own]
        at += a - done
        pauses.append(Silence(at / RATE_HZ, (at + len(own)) / RATE_HZ))
        at, done = at + len(own), b
    parts.append(pcm[done:end])
    end = at + end - done
    whole = np.concatenate([*parts, np.resize(quiet, round(AFTER_S * RATE_HZ))])
    last = Silence(end / RATE_HZ, len(whole) / RATE_HZ)
    return UserTurn(path.stem, "en", whole, (*pauses, last))


def gaps(loud: NDArray[np.intp], least_s: float) -> Iterator[tuple[int, int]]:
    """(start, end) of the stretches between loud hops, in hops, that are long enough."""
    for before, after in pairwise(loud):
        if (after - before - 1) * HOP >= least_s * RATE_HZ:
            yield int(before) + 1, int(after)


def room(pcm: NDArray[np.int16], levels: NDArray[np.float64]) -> NDArray[np.int16]:
    """The quietest 0.2 s of a recording, and the same backwards: no click where it repeats."""
    n = ROOM // HOP
    quiet = np.convolve(levels, np.ones(n) / n, mode="valid").argmin()
    part = pcm[quiet * HOP : quiet * HOP + ROOM]
    return np.concatenate([part, part[::-1]])


if __name__ == "__main__":
    main()
