"""Finds the threshold to speak: never silent when asked, and no sooner than that.

    python -m training.nano_duplex.make calibrate --lm build/nano/lm/joint.pt

A checkpoint converses with validation dialogues (sentences that training never meets, in its
voices), once for each eagerness: how many nats less likely than silence a first word may be and yet
be said. The least one is taken with which it answers `TAKEN` of what it is asked; where pauses or
murmurs forbid that, the best of those that they allow. Held-out voices and fixtures are not looked
at. ``export --eagerness`` writes it into ``nano.json``.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from training.nano_duplex.rehearse import Figures, judge, rehearse
from training.nano_duplex.tokens import read_all
from training.nano_duplex.train_lm import load_lm

EAGERNESSES = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0)
TAKEN = 0.98
IN_PAUSES, UNASKED = 0.08, 0.15
"""Shares that its pauses and what is not meant for it may have at most."""


def share(counts: tuple[int, int]) -> float:
    """Of how many; 0 of none."""
    return counts[0] / max(1, counts[1])


def choose(found: Mapping[float, Figures]) -> float:
    """The eagerness to take."""
    allowed = [
        eagerness
        for eagerness, figures in sorted(found.items())
        if share(figures.in_pauses) <= IN_PAUSES and share(figures.unasked) <= UNASKED
    ]
    for eagerness in allowed:
        if share(found[eagerness].taken) >= TAKEN:
            return eagerness
    return max(allowed, key=lambda e: (share(found[e].taken), -e), default=min(found))


def main(argv: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="make calibrate", description=__doc__.splitlines()[0])
    parser.add_argument("--lm", type=Path, required=True, help="checkpoint of train_lm")
    parser.add_argument("--tokens", type=Path, default=Path("build/nano/tokens"))
    parser.add_argument("--most", type=int, default=32, help="dialogues")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--vocabulary", type=Path, default=Path(__file__).with_name("vocabulary.txt")
    )
    args = parser.parse_args(argv)
    torch.set_num_threads(args.threads)
    lm, state = load_lm(args.lm)
    words = args.vocabulary.read_text(encoding="utf-8").split()
    dialogues = read_all(args.tokens / "valid")[: args.most]
    found = {}
    for eagerness in EAGERNESSES:
        said = rehearse(
            lm.eval(), dialogues, speaks=state["stage"] != "read", heat=0.2, code_heat=0.3,
            eagerness=eagerness,
        )  # fmt: skip
        found[eagerness] = judge(dialogues, said, words)
        print(f"eagerness {eagerness:.1f}: {found[eagerness].told()}", flush=True)
    print(f"taken: {choose(found)}")


if __name__ == "__main__":
    main()
