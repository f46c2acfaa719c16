"""Makes the end-of-turn model anew, or judges it: python -m training.endpointing [--judge]."""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from loguru import logger
from numpy.typing import NDArray

from bench.fixtures.library import Fixture, fixtures_root, load, read_pcm
from pipelines.cascade.endpointing.endpointer import EndpointOptions
from pipelines.cascade.endpointing.model import WEIGHTS, EndOfTurnModel
from training.endpointing.judge import Verdict, judge
from training.endpointing.simulate import (
    RATE_HZ,
    Ear,
    Stretch,
    sentences,
    simulated,
    utterance,
)
from training.endpointing.train import fit

UTTERANCES = 1400
HELD_OUT = 200
_BEFORE, _AFTER = RATE_HZ // 4, RATE_HZ * 5 // 4

Heard = tuple[NDArray[np.int16], Sequence[Stretch]]


def main() -> None:
    """Trains by default; ``--judge`` prints what the weights do on fixtures and held-out voices."""
    parser = argparse.ArgumentParser(prog="training.endpointing", description=__doc__)
    parser.add_argument("--judge", action="store_true", help="judge the weights that are there")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--utterances", type=int, default=UTTERANCES)
    parser.add_argument("--out", type=Path, default=WEIGHTS)
    given = parser.parse_args()
    logger.remove()
    if given.judge:
        for title, heard in (("fixtures", list(_fixtures())), ("held-out voices", _held_out())):
            print(f"{title}:", _said(heard, EndOfTurnModel.load(given.out)))
        return
    rows = []
    for row in simulated(given.utterances, given.seed, held_out=False):
        rows.append(row)
        print(f"\r{row.utterance + 1} of {given.utterances} utterances", end="", flush=True)
    print()
    fit(rows, given.seed, given.out)


def _held_out() -> list[Heard]:
    rng, texts = random.Random(9), sentences(held_out=True)
    return [utterance(rng.choice(texts), rng, True) for _ in range(HELD_OUT)]


def _fixtures() -> Iterator[Heard]:
    """Each utterance of the clean fixtures that expects an answer, once."""
    seen = set()
    for path in sorted(fixtures_root().glob("*.toml")):
        fixture: Fixture = load(path)
        for turn in fixture.turns:
            if fixture.variant or turn.sha256 in seen or not turn.expect.respond or not turn.words:
                continue
            seen.add(turn.sha256)
            pcm = read_pcm(turn)
            ends = turn.speech[-1].audible_end
            sound = np.concatenate(
                [np.zeros(_BEFORE, np.int16), pcm[: ends + 160], np.zeros(_AFTER, np.int16)]
            )
            silences = [
                Stretch(_BEFORE + a.audible_end, _BEFORE + b.audible_start, False, "")
                for a, b in pairwise(turn.speech)
            ]
            yield sound, [*silences, Stretch(_BEFORE + ends, len(sound), True, turn.text)]


def _said(heard: Sequence[Heard], model: EndOfTurnModel) -> str:
    ear = Ear()
    of: list[Verdict] = [judge(ear, model, EndpointOptions(), *one) for one in heard]
    waits = [v.committed_ms for v in of if v.committed_ms is not None]
    cut, pauses = sum(len(v.cut) for v in of), sum(v.pauses for v in of)
    quartiles = "/".join(f"{q:.0f}" for q in np.percentile(waits, [25, 50, 75, 95]))
    return (
        f"{len(of)} turns, committed {quartiles} ms after their end (25/50/75/95 %); "
        f"{cut} of {pauses} pauses taken for the end; "
        f"{sum(v.predictions for v in of)} predictions, {sum(v.withdrawn for v in of)} withdrawn"
    )


if __name__ == "__main__":
    main()
