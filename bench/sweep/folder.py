"""The folder of a sweep: ``sweep.json``, its runs, and the shards that are being played.

``<sweep>/<cell>[@<machine>]/`` are ordinary runs, each of one machine; ``<sweep>/shards/<shard>/``
is there while a shard is played, and until it lies whole in its run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.store import store
from bench.store.atomic import atomic_write
from bench.store.store import SWEEP_JSON
from bench.sweep.grid import Grid, Shard, with_shards
from pipelines.errors import LabError

SHARDS = "shards"


@dataclass(frozen=True, slots=True)
class SweepRun:
    """A run of a sweep."""

    path: Path
    """Its folder."""
    cell: str
    """Name of its cell."""
    machine: str | None
    """Name of the machine that it was played on; None: this one, which needs no name."""


class SweepFolder:
    """A sweep on disk.

    Args:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self, grid: Grid) -> Grid:
        """Begins the sweep in the folder, or goes on with it.

        Returns:
            As `known`.

        Raises:
            LabError: as `known`.
        """
        known = self.known(grid)
        if not (self.path / SWEEP_JSON).exists():
            self._write(grid)
        return known

    def known(self, grid: Grid) -> Grid:
        """The plan, with its shards as they were when the sweep began, if it did.

        Raises:
            LabError: the folder holds something else, or a sweep of another plan.
        """
        found = store.read_json(self.path / SWEEP_JSON)
        if found is None:
            self._require_free()
            return grid
        differs = _differing(found.get("plan"), _plain(grid.identity()))
        if differs:
            raise LabError(
                f"{self.path} holds a sweep with other {differs}: name another folder with --out, "
                "or undo the change."
            )
        try:
            return with_shards(grid, found["shards"])
        except (KeyError, TypeError, ValueError):
            raise LabError(
                f"{self.path / SWEEP_JSON}: its shards can't be understood; name another folder "
                "with --out."
            ) from None

    def _require_free(self) -> None:
        names = [p.name for p in self.path.iterdir()] if self.path.is_dir() else []
        if any(not name.startswith(".") for name in names):
            raise LabError(
                f"{self.path} holds something that is no sweep: name another folder with --out."
            )

    def _write(self, grid: Grid) -> None:
        kept = {
            "sweep": grid.name,
            "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
            "plan": grid.identity(),
            "shards": [shard.row() for shard in grid.shards],
        }
        text = json.dumps(kept, indent=2, ensure_ascii=False, sort_keys=True)
        atomic_write(self.path / SWEEP_JSON, f"{text}\n".encode())

    def runs(self) -> list[SweepRun]:
        """Its runs, by name.

        Raises:
            StoreError: a ``run.json`` is damaged.
        """
        found = []
        for path in sorted(self.path.glob("*/run.json")):
            of = store.read_info(path.parent).get("sweep")
            if isinstance(of, Mapping):
                found.append(SweepRun(path.parent, str(of.get("cell")), of.get("machine")))
        return found

    def run_of(self, shard: Shard, machine: str | None) -> Path:
        """The folder of the run that a shard becomes a part of."""
        return self.path / (f"{shard.cell.name}@{machine}" if machine else shard.cell.name)

    def shard_dir(self, shard: Shard) -> Path:
        """The folder of a shard while it is played."""
        return self.path / SHARDS / shard.name

    def gathered(self) -> dict[str, set[str]]:
        """Cell → ids of its trials that lie in a run.

        Raises:
            StoreError: a file is damaged.
        """
        found: dict[str, set[str]] = {}
        for run in self.runs():
            found.setdefault(run.cell, set()).update(store.done_trials(run.path))
        return found

    def left(self, grid: Grid) -> list[Shard]:
        """The shards that do not lie whole in a run."""
        done = self.gathered()
        return [s for s in grid.shards if not s.trial_ids <= done.get(s.cell.name, set())]


def _plain(identity: Mapping[str, Any]) -> Any:
    return json.loads(json.dumps(identity))


def _differing(found: Any, wanted: Any) -> str:
    """What two plans differ in, in words; empty: in nothing."""
    if found == wanted:
        return ""
    if not isinstance(found, Mapping) or not isinstance(found.get("cells"), Mapping):
        return "contents"
    cells = found["cells"]
    if cells.keys() != wanted["cells"].keys():
        return "runs"
    keys = {
        key
        for name, plan in wanted["cells"].items()
        for key in {*plan, *cells[name]}
        if plan.get(key) != cells[name].get(key)
    }
    if found.get("retries") != wanted["retries"]:
        keys.add("retries")
    return " and ".join(sorted(keys)) or "contents"
