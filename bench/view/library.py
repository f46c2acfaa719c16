"""The runs below a folder, as their list shows them.

A run is known by the name of its folder, which lies directly below the root and is no link: nothing
else below or outside the root can be named.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench.stats.format import number
from bench.stats.quantiles import per_key, quantile
from bench.store.atomic import StoreError
from bench.store.figures import read_figures
from bench.store.store import read_info, read_trials
from bench.summary.colours import look

State = Literal["live", "done", "unfinished", "damaged"]
"""``live``: a process writes into the folder. ``unfinished``: it ended before the run did."""
STATES: dict[State, str] = {
    "live": "goes on",
    "done": "done",
    "unfinished": "unfinished",
    "damaged": "can't be read",
}
"""State → its name."""
STAMPED = ("run.json", "trials.parquet", "marks.parquet", "metrics.parquet", "causes.parquet",
           "parts", ".lock")  # fmt: skip
"""What a run is read from: a change of any is a change of the run."""


@dataclass(frozen=True, slots=True)
class PresetLine:
    """A preset in the list of runs."""

    preset: str
    colour: int
    """Index of its colour."""
    p50: str
    """Median of voice to voice, ms; a dash without one."""
    p50_ms: float | None
    """The same as a number."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A run in the list."""

    name: str
    state: State
    started_utc: str
    """ISO 8601; empty if unknown."""
    presets: tuple[PresetLine, ...]
    trials: int
    """Number of trials on disk, without warm-ups."""
    machine: str
    problem: str = ""
    """Why it can't be read; otherwise empty."""


class Library:
    """The runs below a folder; what has not changed is not read again.

    Args:
        root: The folder that holds the runs.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._read: dict[str, tuple[object, Entry]] = {}

    def folders(self) -> dict[str, Path]:
        """Name → folder, of everything below the root that looks like a run."""
        try:
            below = sorted(self.root.iterdir())
        except OSError:
            return {}
        return {path.name: path for path in below if is_run(path)}

    def entries(self) -> list[Entry]:
        """All runs, the newest first."""
        folders = self.folders()
        for name, path in folders.items():
            stamp = stamp_of(path)
            if name not in self._read or self._read[name][0] != stamp:
                self._read[name] = (stamp, _entry(path))
        self._read = {name: self._read[name] for name in folders}
        found = [entry for _, entry in self._read.values()]
        return sorted(found, key=lambda entry: (entry.started_utc, entry.name), reverse=True)


def is_run(path: Path) -> bool:
    """Whether a folder looks like a run; a link to one does not."""
    if path.is_symlink() or not path.is_dir() or path.name.startswith("."):
        return False
    return any((path / name).exists() for name in ("run.json", "trials.parquet", "parts"))


def stamp_of(path: Path) -> object:
    """A value that changes when a run's files do, or its process ends."""
    found: list[tuple[str, int, int]] = []
    for name in STAMPED:
        try:
            status = (path / name).stat()
        except OSError:
            continue
        found.append((name, status.st_mtime_ns, status.st_size))
    return (tuple(found), is_live(path))


def leads_out(path: Path) -> bool:
    """Whether a file that a run is read from is a link to elsewhere."""
    own = path.resolve()
    inside: Iterable[Path] = [path / name for name in STAMPED]
    parts = path / "parts"
    if parts.is_dir():
        inside = [*inside, *parts.iterdir()]
    return any(not one.resolve().is_relative_to(own) for one in inside)


def is_live(path: Path) -> bool:
    """Whether a process writes a run: the one whose number stands in its lock is there.

    The lock itself is not tried: a run that begins at that moment would be refused.
    """
    try:
        text = (path / ".lock").read_text(encoding="ascii", errors="replace").strip()
        pid = int(text)
        if pid <= 0:
            return False
        os.kill(pid, 0)
    except PermissionError:
        return True  # it is somebody else's process
    except (OSError, ValueError, OverflowError):
        return False
    return True


def _entry(path: Path) -> Entry:
    try:
        if leads_out(path):
            raise StoreError(f"{path.name}: a file of it is a link that leads out of its folder")
        info = read_info(path)
        trials = sum(not trial.warmup for trial in read_trials(path))
        lines = tuple(_lines(path, info))
    except StoreError as error:
        said = str(error).replace(f"{path.parent}{os.sep}", "")
        return Entry(path.name, "damaged", "", (), 0, "", said)
    machine = (info.get("machine") or {}) if isinstance(info.get("machine"), dict) else {}
    started = str(info.get("created_utc") or info.get("started_utc") or "")
    words = [str(machine[key]) for key in ("name", "cpu") if machine.get(key)]
    return Entry(path.name, _state(path), started, lines, trials, ": ".join(words))


def _state(path: Path) -> State:
    if is_live(path):
        return "live"
    return "done" if (path / "metrics.parquet").exists() else "unfinished"


def _lines(path: Path, info: dict[str, Any]) -> Iterable[PresetLine]:
    """The presets of a run, with the median of each where the metrics are there."""
    values: dict[str, list[tuple[tuple[str, int], float]]] = {}
    if (path / "metrics.parquet").exists():
        figures = read_figures(path, "voice_to_voice")
        for i, preset in enumerate(figures.preset):
            of, value = values.setdefault(preset, []), figures.value[i]
            if figures.valid[i] and not figures.warmup[i] and value is not None:
                of.append(((figures.fixture[i], figures.turn[i]), value))
    named = info.get("presets")
    names = dict.fromkeys([*(named if isinstance(named, dict) else ()), *values])
    for preset in names:
        p50 = quantile(per_key(values.get(preset, [])), 0.5).value
        yield PresetLine(preset, look(preset).colour, number(p50), p50)
