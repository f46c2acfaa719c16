"""Makes the end-of-turn model anew, or users to judge it by (``--users FILE``).

Judged is by ``duplex-lab endpointing``, on the fixtures or on ``--rows FILE``.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from pathlib import Path

from loguru import logger

from bench.endpointing.rows import write_rows
from bench.endpointing.turns import Silence, UserTurn
from pipelines.cascade.endpointing.model import WEIGHTS
from training.endpointing.sentences import drawn, is_held_out
from training.endpointing.simulate import RATE_HZ, Row, simulated, utterance
from training.endpointing.train import fit

UTTERANCES = 350
HELD_OUT = 200


def main() -> None:
    """Trains by default; ``--users`` writes held-out users in the columns of eot-bench."""
    parser = argparse.ArgumentParser(prog="training.endpointing", description=__doc__)
    parser.add_argument("--users", type=Path, help="write held-out simulated users (.parquet)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--utterances", type=int, default=UTTERANCES)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    given = parser.parse_args()
    logger.remove()
    if given.users:
        write_rows(given.users, list(_held_out()))
        return
    rows: list[Row] = []
    for row in simulated(given.utterances, given.seed, held_out=False):
        if not rows or row.utterance != rows[-1].utterance:
            print(f"\r{row.utterance + 1} of {given.utterances} utterances", end="", flush=True)
        rows.append(row)
    print()
    fit(rows, given.out)


def _held_out() -> Iterator[UserTurn]:
    """Users whose voices and sentences are in no training."""
    rng, said = random.Random(9), {t: n for t, n in drawn().items() if is_held_out(t)}
    for i in range(HELD_OUT):
        (text,) = rng.choices(list(said), list(said.values()))
        pcm, stretches = utterance(text, rng, True)
        silences = tuple(Silence(s.start / RATE_HZ, s.end / RATE_HZ) for s in stretches)
        yield UserTurn(f"simulated-{i}", "en", pcm, silences, text)


if __name__ == "__main__":
    main()
