"""Makes the end-of-turn model anew, or users to judge it by (``--users FILE``).

Judged is by ``duplex-lab endpointing``, on the fixtures or on ``--rows FILE``.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path

from loguru import logger

from bench.endpointing.rows import write_rows
from bench.endpointing.turns import Silence, UserTurn
from bench.stats.word_errors import word_errors
from pipelines.cascade.endpointing.hearing import Ear
from pipelines.cascade.endpointing.model import WEIGHTS
from training.endpointing.sentences import is_held_out, said
from training.endpointing.simulate import RATE_HZ, Row, simulated, utterance
from training.endpointing.train import fit

UTTERANCES = 700
HELD_OUT = 100
UNDERSTOOD = 0.34
"""Most words of a held-out user's that the recogniser takes for others."""


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
        write_rows(given.users, list(islice(_held_out(), HELD_OUT)))
        return
    rows: list[Row] = []
    for row in simulated(given.utterances, given.seed, held_out=False):
        if not rows or row.utterance != rows[-1].utterance:
            print(f"\r{row.utterance + 1} of {given.utterances} utterances", end="", flush=True)
        rows.append(row)
    print()
    fit(rows, given.out)


def _held_out() -> Iterator[UserTurn]:
    """Users whose voices and sentences are in no training, and whom the recogniser understands.

    It takes most of espeak-ng's words for others: what a method of words makes of such users says
    nothing.
    """
    rng, ear = random.Random(9), Ear()
    of = {text: often for text, often in said().items() if is_held_out(text)}
    texts, weights = list(of), list(of.values())
    for i in count():
        (text,) = rng.choices(texts, weights)
        pcm, stretches, _ = utterance(text, rng, True)
        if word_errors(text, ear.listen().feed(pcm)).rate > UNDERSTOOD:
            continue
        silences = tuple(Silence(s.start / RATE_HZ, s.end / RATE_HZ) for s in stretches)
        yield UserTurn(f"simulated-{i}", "en", pcm, silences, text)


if __name__ == "__main__":
    main()
