"""Metrics and frames as wide tables: a row per turn or frame, a column per figure, with its unit.

Plain lists and arrays, so that nothing but numpy is needed; bench/notebook/load.py makes pandas
frames of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from bench.metrics.table import METRICS
from bench.store.records import MetricRow, Trial
from bench.summary.summary import RunSummary
from bench.timeline.frame_times import STAGES, service_by_frame
from bench.timeline.frames import EVENTS, Floats, Frames

SUFFIXES = {"": "", "ms": "ms", "%": "percent"}
"""Unit → suffix of a column's name."""

IDENTITY = ("run_id", "trial_id", "preset", "fixture", "repeat", "warmup", "weights", "turn")
"""Columns that identify a row of `turn_rows`."""


def column(metric: str, unit: str) -> str:
    """The name of a metric's column, with its unit where the name does not end in it."""
    suffix = SUFFIXES.get(unit, unit)
    return metric if not suffix or metric.endswith(f"_{suffix}") else f"{metric}_{suffix}"


def turn_columns() -> tuple[str, ...]:
    """The columns of `turn_rows`, in order."""
    of_turn = (column(m.name, m.unit) for m in METRICS if m.scope == "turn")
    return (*IDENTITY, "valid", "reason", *dict.fromkeys(of_turn))


def turn_rows(rows: Iterable[MetricRow]) -> list[dict[str, Any]]:
    """A row per trial and turn: its identity, whether it is valid, and each figure of a turn.

    ``valid`` and ``reason`` are those of voice_to_voice. Null figures, and figures that this
    version does not know, are left out of the row.
    """
    names = {m.name: column(m.name, m.unit) for m in METRICS if m.scope == "turn"}
    table: dict[tuple[str, int], dict[str, Any]] = {}
    for row in rows:
        if row.turn < 0 or row.metric not in names:
            continue
        found = table.get((row.trial_id, row.turn))
        if found is None:
            found = {name: getattr(row, name) for name in IDENTITY}
            table[row.trial_id, row.turn] = found
        if row.metric == "voice_to_voice":
            found["valid"], found["reason"] = row.valid, row.reason
        if row.value is not None:
            found[names[row.metric]] = row.value
    return list(table.values())


def median_rows(summary: RunSummary) -> list[dict[str, Any]]:
    """A row per preset and metric of a turn: its median, its interval, and the number of turns."""
    units = {m.name: m.unit for m in METRICS if m.scope == "turn"}
    return [
        {
            "preset": preset.preset,
            "weights": preset.weights,
            "metric": metric,
            "p50": estimate.value,
            "low": estimate.low,
            "high": estimate.high,
            "unit": unit,
            "n": estimate.n,
            "insufficient": estimate.insufficient,
        }
        for preset in summary.presets
        for metric, unit in units.items()
        if (estimate := preset.medians.get(metric)) is not None and estimate.value is not None
    ]


def frame_columns(trial: Trial, frames: Frames) -> dict[str, Any]:
    """The frames of one session, column by column; times in ms, NaN where there is none.

    ``<event>_at_ms`` count from the trial's t0. ``inter_frame_ms`` is the time since the output
    frame before, ``service_ms`` that between the ends of frames where the next one was waiting.
    ``counts`` is false for the first frames of a session, which count in no statistic.
    """
    n = len(frames)
    stages = {f"{stage}_ms": frames.between(*events) for stage, events in STAGES.items()}
    return {
        "trial_id": [trial.trial_id] * n,
        "preset": [trial.preset] * n,
        "fixture": [trial.fixture] * n,
        "warmup": [trial.warmup] * n,
        "weights": [trial.weights] * n,
        "session": [frames.session] * n,
        "unpaced": [frames.is_unpaced] * n,
        "frame": list(range(n)),
        "counts": frames.counts,
        "inter_frame_ms": _since_last_output(frames),
        "service_ms": service_by_frame(frames),
        "frame_latency_ms": frames.between("frame_in", "frame_out"),
        "backlog_ms": frames.between("frame_in", "start"),
        **stages,
        **{f"{event}_at_ms": frames.at_ms[event] for event in EVENTS},
    }


def no_frames(trial: Trial) -> dict[str, Any]:
    """The columns of `frame_columns`, empty."""
    return frame_columns(trial, Frames("", {event: np.empty(0) for event in EVENTS}, 0, 0, 0.0))


def joined(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Tables (at least one) with the same columns, one below the other."""
    return {
        name: np.concatenate([part[name] for part in parts])
        if isinstance(first, np.ndarray)
        else [value for part in parts for value in part[name]]
        for name, first in parts[0].items()
    }


def _since_last_output(frames: Frames) -> Floats:
    emitted = frames.emitted
    since = np.full(len(frames), np.nan)
    since[emitted[1:]] = np.diff(frames.at_ms["frame_out"][emitted])
    return since
