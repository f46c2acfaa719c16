"""One metric over many runs: each ``metrics.parquet`` below a folder, a point per run and preset.

Only the columns needed are read, so that a year of nightly runs takes seconds. A run that can't be
read is skipped and reported.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.compare.names import hint
from bench.metrics.table import METRICS
from bench.metrics.validity import NOT_EXPECTED, SYNTHETIC
from bench.stats.conversations import Numbers, quantile_of_distinct, quantile_of_turns
from bench.stats.quantiles import Estimate, Key
from bench.store.atomic import StoreError
from bench.store.figures import FigureColumns, read_figure_columns
from bench.store.store import SWEEP_JSON, read_info
from pipelines.errors import LabError

_DATED = re.compile(r"(\d{4})(\d{2})(\d{2})-\d{6}")


@dataclass(frozen=True, slots=True)
class Point:
    """A metric of one preset in one run."""

    run: str
    """The run's folder name."""
    date: str
    """Start of the run, ISO 8601; empty if the run does not say."""
    preset: str
    subject: str | None
    """Subject of the figure, where a trial has several: a model."""
    p50: Estimate
    """The median over distinct turns (or trials' fixtures), with its 95 % interval."""
    invalid: int
    """Number of rows that are not valid, and so left out."""


@dataclass(frozen=True, slots=True)
class History:
    """The points found and the folders left out."""

    metric: str
    unit: str
    points: tuple[Point, ...]
    """The points, by date."""
    skipped: tuple[str, ...]
    """A sentence for each folder left out."""


def unit_of(metric: str) -> str:
    """A metric's unit.

    Raises:
        LabError: there is no such metric.
    """
    units = {m.name: m.unit for m in METRICS}
    if metric not in units:
        near = hint(metric, units, 3) or "; one of them is 'voice_to_voice'."
        raise LabError(f"There is no metric {metric!r}{near}")
    return units[metric]


def read_history(root: Path, metric: str, *, preset: str = "", since: str = "") -> History:
    """Reads one metric of all runs below a folder.

    Args:
        root: The folder with the runs' folders.
        metric: Its name.
        preset: Only this one; empty for all.
        since: Only runs begun on this day (ISO 8601) or later; empty for all.

    Raises:
        LabError: there is no such metric, or no such folder.
    """
    unit = unit_of(metric)
    if not root.is_dir():
        raise LabError(f"{root}: there is no such folder; name the one that holds the runs.")
    folders = sorted(path for path in root.iterdir() if path.is_dir())
    if (root / SWEEP_JSON).is_file():  # beside its runs lie the shards that are being played
        folders = [path for path in folders if (path / "run.json").is_file()]
    # One after the other: what takes the time is not the disk, and holds Python's lock.
    found = [_of_run(folder, metric) for folder in folders]
    points = [
        point
        for of_run in found
        if not isinstance(of_run, str)
        for point in of_run
        if point.date >= since and preset in ("", point.preset)
    ]
    points.sort(key=lambda point: (point.date, point.run))
    skipped = tuple(of_run for of_run in found if isinstance(of_run, str))
    return History(metric, unit, tuple(points), skipped)


def _of_run(folder: Path, metric: str) -> list[Point] | str:
    """A run's points, or why it is left out."""
    if (folder / SWEEP_JSON).is_file():
        return f"{folder}: a sweep, whose runs are listed by --root {folder}"
    try:
        info = read_info(folder)
        if "sample" in info:
            return f"{folder}: left out, it is a sample of another run"
        figures = read_figure_columns(folder, metric)
    except StoreError as error:
        return str(error)
    date = str(info.get("created_utc") or info.get("started_utc") or "")
    named = _DATED.match(folder.name)
    if not date and named is not None:
        date = "-".join(named.groups())
    refused = [
        i for i, word in enumerate(figures.reason.words) if word in (NOT_EXPECTED, SYNTHETIC)
    ]
    counts = ~figures.warmup & ~np.isin(figures.reason.at, refused)
    # -1 is a subject too: none.
    group = figures.preset.at * (len(figures.subject.words) + 1) + figures.subject.at + 1
    points = []
    for of in _in_order(group[counts]):
        rows = np.flatnonzero(counts & (group == of))
        preset = figures.preset.of(rows[0]) or ""
        subject = figures.subject.of(rows[0])
        points.append(Point(folder.name, date, preset, subject, *_estimate(figures, rows)))
    return points


def _in_order(values: Numbers) -> Numbers:
    """Each value once, in the order in which they first come."""
    found, first = np.unique(values, return_index=True)
    return found[np.argsort(first)]


def _estimate(figures: FigureColumns, rows: Numbers) -> tuple[Estimate, int]:
    """The median of the valid values, and the number of values that are not valid."""
    valid, value = figures.valid[rows], figures.value[rows]
    rows, value = rows[valid & ~np.isnan(value)], value[valid & ~np.isnan(value)]
    fixture, turn = figures.fixture.at[rows], figures.turn[rows]
    invalid = int(np.count_nonzero(~valid))
    if len(rows) and len(np.unique(fixture * (int(turn.max()) + 2) + turn)) == len(rows):
        _, conversation = np.unique(fixture, return_inverse=True)
        return quantile_of_distinct(value, conversation, 0.5), invalid
    keys: list[Key] = [
        (figures.fixture.words[of], number)
        for of, number in zip(fixture.tolist(), turn.tolist(), strict=True)
    ]
    return quantile_of_turns(list(zip(keys, value.tolist(), strict=True)), 0.5), invalid
