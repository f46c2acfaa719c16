"""One metric over many runs: each ``metrics.parquet`` below a folder, a point per run and preset.

Only the columns needed are read, so that a year of nightly runs takes seconds. A run that can't be
read is skipped and reported.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench.compare.names import hint
from bench.metrics.table import METRICS
from bench.metrics.validity import NOT_EXPECTED, SYNTHETIC
from bench.stats.conversations import quantile_of_turns
from bench.stats.quantiles import Estimate, Key
from bench.store.atomic import StoreError
from bench.store.store import Figures, read_figures, read_info
from pipelines.errors import LabError

READERS = 4
"""Number of runs read at the same time: most of the time is spent waiting for the disk."""
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
    with ThreadPoolExecutor(READERS) as pool:
        found = list(pool.map(lambda folder: _of_run(folder, metric), folders))
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
    try:
        info = read_info(folder)
        if "sample" in info:
            return f"{folder}: left out, it is a sample of another run"
        figures = read_figures(folder, metric)
    except StoreError as error:
        return str(error)
    date = str(info.get("created_utc") or info.get("started_utc") or "")
    named = _DATED.match(folder.name)
    if not date and named is not None:
        date = "-".join(named.groups())
    groups: dict[tuple[str, str | None], list[int]] = {}
    for i, of in enumerate(zip(figures.preset, figures.subject, strict=True)):
        if not figures.warmup[i] and figures.reason[i] not in (NOT_EXPECTED, SYNTHETIC):
            groups.setdefault(of, []).append(i)
    return [
        Point(folder.name, date, preset, subject, *_estimate(figures, rows))
        for (preset, subject), rows in groups.items()
    ]


def _estimate(figures: Figures, rows: Sequence[int]) -> tuple[Estimate, int]:
    """The median of the valid values, and the number of values that are not valid."""
    values: list[tuple[Key, float]] = []
    for i in rows:
        value = figures.value[i]
        if figures.valid[i] and value is not None:
            values.append(((figures.fixture[i], figures.turn[i]), value))
    invalid = sum(not figures.valid[i] for i in rows)
    return quantile_of_turns(values, 0.5), invalid
