"""The tables of the narrow world, and which of its sentences training never sees."""

from __future__ import annotations

import functools
import tomllib
import zlib
from pathlib import Path
from typing import Any

from training.creature_llm.corpus import ROOT, normal, texts_in

HERE = Path(__file__).parent
FOLDS = 16
"""One sentence of so many is kept out of training, and likewise one answer."""
SEALED = 2
"""One held-out sentence of so many is sealed: it is said in one judgement, and nowhere before."""


@functools.cache
def tables() -> dict[str, Any]:
    """The file sentences.toml."""
    return tomllib.loads((HERE / "sentences.toml").read_text(encoding="utf-8"))


@functools.cache
def fixture_sentences() -> frozenset[str]:
    """Every sentence that a fixture's user says, but the backchannels: they may be trained on."""
    found: set[str] = set()
    folder = ROOT / "fixtures"
    for path in [*folder.rglob("*.toml")]:
        if "." not in path.stem:  # variants say what their base says
            table = tomllib.loads(path.read_text(encoding="utf-8"))
            found.update(normal(text) for text in texts_in(table))
    return frozenset(found) - set(tables()["backchannels"]["say"]) - {""}


def is_held_out(user: str, agent: str) -> bool:
    """Whether training never sees this exchange: by a checksum of its sentence.

    Or of its answer, where that is one of many: a promise that names two of
    colour, thing and place.
    """
    promised = agent.startswith("i will") and len(set(agent.split()) & _things()) >= 2
    texts = [user, f"answer: {agent}"] if promised else [user]
    return any(zlib.crc32(text.encode()) % FOLDS == 0 for text in texts)


def is_sealed(user: str) -> bool:
    """Whether a held-out sentence is kept for the sealed fixtures, by another checksum.

    The others serve while training goes on: for looking at losses and for calibration.
    """
    return zlib.crc32(f"sealed: {user}".encode()) % SEALED == 0


@functools.cache
def _things() -> frozenset[str]:
    table = tables()
    rooms = set(table["places"])
    return frozenset({*table["colours"], *table["objects"], *rooms})


def pause_points(user: str) -> tuple[list[int], list[int]]:
    """Where a speaker may pause: numbers of words before the pause, (open, closed).

    At an open point the sentence can't be over; at a closed one it could be.
    """
    said = user.split()
    hang = {*tables()["pause"]["open"], *tables()["colours"]}
    points = range(1, len(said))
    opens = [i for i in points if said[i - 1] in hang]
    return opens, [i for i in points if said[i - 1] not in hang]
