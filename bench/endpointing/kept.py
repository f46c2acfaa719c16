"""A folder of what methods did on turns: what is there is not computed again.

``NAME.predictions.parquet`` and ``NAME.decided.json`` a method. Both carry what they were made of;
made of other turns, or by a method with other numbers, they are made anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from bench.endpointing import predictions
from bench.endpointing.predict import Decided, decided, estimates
from bench.endpointing.predictions import Prediction
from bench.endpointing.turns import UserTurn
from bench.store.atomic import atomic_write
from bench.store.store import read_json
from pipelines.cascade.endpointing.methods import Method
from pipelines.errors import LabError

EVERY = 10
"""Turns after which what is done is written."""

Tell = Callable[[str, int, int], None]
"""What is done, turns done, turns in all."""


class Kept:
    """What was done before, and is done now.

    Args:
        folder: Where; None: nothing is kept.
        turns: The turns, the same for all methods.
        tell: Gets the progress.
    """

    def __init__(self, folder: Path | None, turns: Sequence[UserTurn], tell: Tell) -> None:
        self._folder, self._turns, self._tell = folder, turns, tell
        self._of = identity(turns)

    def _about(self, method: Method) -> dict[str, str]:
        return {"method": f"{method.name}: {method.settings()}", "turns": self._of}

    def estimates(self, method: Method) -> list[Prediction]:
        """A method's estimates in all silences."""
        path = self._folder and self._folder / f"{method.name}.predictions.parquet"
        rows = self._read_estimates(path, method)
        done = {row.id for row in rows}
        for i, turn in enumerate(self._turns):
            if turn.id in done:
                continue
            self._tell(f"{method.name}: estimates", i, len(self._turns))
            rows += estimates(method, turn)
            if path and (i % EVERY == EVERY - 1 or turn is self._turns[-1]):
                predictions.write(path, rows, self._about(method))
        return rows

    def _read_estimates(self, path: Path | None, method: Method) -> list[Prediction]:
        if path is None or not path.is_file():
            return []
        rows, about = predictions.read(path)
        return rows if about == self._about(method) else []

    def decided(self, method: Method) -> list[Decided]:
        """What a method's own policy does in all turns."""
        path = self._folder and self._folder / f"{method.name}.decided.json"
        found = self._read_decided(path, method)
        done = {one.turn for one in found}
        for i, turn in enumerate(self._turns):
            if turn.id in done:
                continue
            self._tell(f"{method.name}: its own policy", i, len(self._turns))
            found.append(decided(method, turn))
            if path and (i % EVERY == EVERY - 1 or turn is self._turns[-1]):
                data = {"about": self._about(method), "turns": [asdict(one) for one in found]}
                atomic_write(path, json.dumps(data, indent=1).encode())
        return found

    def _read_decided(self, path: Path | None, method: Method) -> list[Decided]:
        data = read_json(path) if path and path.is_file() else None
        if data is None or data.get("about") != self._about(method):
            return []
        try:
            return [Decided(**one) for one in data["turns"]]
        except (KeyError, TypeError):
            raise LabError(f"{path}: is damaged; remove it.") from None


def identity(turns: Sequence[UserTurn]) -> str:
    """A hash of the turns' audio and labels."""
    found = hashlib.sha256()
    for turn in turns:
        found.update(repr((turn.id, turn.silences)).encode())
        found.update(turn.pcm.tobytes())
    return found.hexdigest()
