"""The rows that a run is made of: one `Trial` per trial, one `MetricRow` per figure, one `CauseRow`
per cause that a turn shows.

The columns of the parquet files (bench/store/schema.py) are the fields of these records.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypedDict, get_args

from pipelines.kinds import Kind, Weights

Status = Literal[
    "ok", "hung_up", "no_answer", "still_working", "cue_missed", "error", "ruler_late", "cut_off"
]
"""Possible ends of a trial. ``hung_up``: the agent hung up after its answer, a normal end.
``still_working``: the agent still thought, called a function or spoke when the wait was over."""
STATUSES: tuple[Status, ...] = get_args(Status)

FAILED: tuple[Status, ...] = ("error", "cue_missed", "cut_off", "still_working")
"""Statuses of a trial that did not reach its end."""
ENDED_WELL: tuple[Status, ...] = ("ok", "hung_up")
"""Statuses of a trial that went as it should."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One preset on one fixture, once. See ``bench.store.schema`` for every field's meaning."""

    run_id: str
    trial_id: str
    preset: str
    fixture: str
    repeat: int
    t0_ns: int
    rate_hz: int
    turns: int
    fixture_sha256: str = ""
    warmup: bool = False
    status: Status = "ok"
    error: str | None = None
    chunk_ms: int = 20
    chunks_sent: int = 0
    device_buffer_ms: float = 40.0
    recording: str | None = None
    weights: Weights = "trained"
    mouth_late_ms_p50: float | None = None
    mouth_late_ms_p99: float | None = None
    mouth_late_ms_max: float | None = None
    ear_late_ms_p50: float | None = None
    ear_late_ms_p99: float | None = None
    ear_late_ms_max: float | None = None
    cpu_agent_s: float | None = None
    cpu_caller_s: float | None = None
    rss_agent_peak_mb: float | None = None
    rss_caller_peak_mb: float | None = None
    audio_s: float = 0.0
    wall_s: float = 0.0
    load_avg_1m: float | None = None
    started_utc: str = ""
    kind: Kind = "cascade"
    preroll_ms: float = 0.0
    network: str = ""


class Whose(TypedDict):
    """The columns that say of which trial a row is."""

    run_id: str
    trial_id: str
    preset: str
    fixture: str
    repeat: int
    warmup: bool


def whose(trial: Trial) -> Whose:
    """The columns of a row of a trial."""
    return {
        "run_id": trial.run_id,
        "trial_id": trial.trial_id,
        "preset": trial.preset,
        "fixture": trial.fixture,
        "repeat": trial.repeat,
        "warmup": trial.warmup,
    }


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One figure of one turn, or of one whole trial. See ``bench.store.schema``."""

    run_id: str
    trial_id: str
    preset: str
    fixture: str
    repeat: int
    warmup: bool
    turn: int
    metric: str
    subject: str | None
    value: float | None
    unit: str
    valid: bool
    reason: str | None
    weights: Weights


@dataclass(frozen=True, slots=True)
class CauseRow:
    """One known cause of one turn. See ``bench.store.schema``."""

    run_id: str
    trial_id: str
    preset: str
    fixture: str
    repeat: int
    warmup: bool
    turn: int
    cause: str
    loses: str
    lost_ms: float
    detail: str | None
