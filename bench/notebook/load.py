"""``bench.load(RUN)``: a run as pandas frames, for notebooks. Nothing on disk changes.

run = bench.load("results/sample")
run.turns.query("valid").groupby("preset").voice_to_voice_ms.median()
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.metrics.compute import compute
from bench.metrics.recompute import compute_run
from bench.notebook.wide import (
    frame_columns,
    joined,
    median_rows,
    no_frames,
    turn_columns,
    turn_rows,
)
from bench.store.atomic import StoreError
from bench.store.recording import Stereo
from bench.store.records import MetricRow
from bench.store.results import find_run
from bench.store.schema import arrow_schema
from bench.store.store import Run, read_causes, read_json, read_metrics, read_run
from bench.store.tables import as_table
from bench.summary.summary import RunSummary, summarise
from bench.timeline.critical_path import Path as CriticalPath
from bench.timeline.critical_path import critical_path
from bench.timeline.frames import Frames, sessions
from bench.timeline.timeline import Timeline, reconstruct
from pipelines.clock import NS_PER_MS
from pipelines.errors import LabError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Recording:
    """The recording of a trial: what a person would have heard."""

    pcm: Stereo
    """(n, 2) int16: column 0 is the user, column 1 the agent."""
    rate_hz: int
    """Samples per second."""


@dataclass(frozen=True)
class LoadedRun:
    """A run. Each table is made when it is first asked for."""

    run: Run
    """The records behind the tables, for the package's own functions."""

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self.run.path

    @property
    def info(self) -> Mapping[str, Any]:
        """``run.json``: machine, versions, presets, labels."""
        return self.run.info

    @cached_property
    def rows(self) -> list[MetricRow]:
        """The metrics as records: those on disk, or computed now where there are none yet."""
        if (self.path / "metrics.parquet").exists():
            return read_metrics(self.path)
        return compute(self.run)

    @cached_property
    def summary(self) -> RunSummary:
        """The figures that table and picture show, with their intervals."""
        return summarise(self.run, self.rows)

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row per trial; the columns of ``trials.parquet``."""
        return as_table("trials", self.run.trials).to_pandas()

    @cached_property
    def marks(self) -> pd.DataFrame:
        """Every mark, by trial and time; ``at_ms`` counts from the trial's sample 0."""
        pd = _pandas()
        parts = []
        for trial in self.run.trials:
            table = self.run.mark_tables.get(trial.trial_id)
            if table is not None:
                frame = table.cast(arrow_schema("marks")).to_pandas()
                frame.insert(3, "at_ms", (frame["t_ns"] - trial.t0_ns) / NS_PER_MS)
                parts.append(frame.sort_values("t_ns", kind="stable"))
        if not parts:
            frame = as_table("marks", [], trial_id=[], seq=[]).to_pandas()
            frame.insert(3, "at_ms", frame["t_ns"] / NS_PER_MS)
            parts.append(frame)
        return pd.concat(parts, ignore_index=True)

    @cached_property
    def metrics(self) -> pd.DataFrame:
        """One row per figure, with its unit in the column ``unit``; see also `turns`."""
        return as_table("metrics", self.rows).to_pandas()

    @cached_property
    def causes(self) -> pd.DataFrame:
        """One row per known cause of a turn's lost time, with ``lost_ms``: those on disk, or
        computed now where there are none yet.
        """
        stored = read_causes(self.path)
        rows = compute_run(self.run, processes=1).causes if stored is None else stored
        return as_table("causes", rows).to_pandas()

    @cached_property
    def turns(self) -> pd.DataFrame:
        """One row per trial and turn: voice_to_voice_ms, endpointing_delay_ms, … and ``valid``."""
        frame = _pandas().DataFrame(turn_rows(self.rows), columns=list(turn_columns()))
        figures = list(turn_columns())[list(turn_columns()).index("reason") + 1 :]
        types = dict.fromkeys(figures, "float64") | {"valid": bool, "warmup": bool}
        return frame.astype(types)

    @cached_property
    def frames(self) -> pd.DataFrame:
        """One row per frame of a duplex model: inter_frame_ms, service_ms, backlog_ms, …"""
        parts = [
            frame_columns(trial, frames)
            for trial in self.run.trials
            for frames in self.sessions(trial.trial_id)
        ]
        return _pandas().DataFrame(joined(parts or [no_frames(self.run.trials[0])]))

    @cached_property
    def medians(self) -> pd.DataFrame:
        """One row per preset and metric of a turn: p50 with its 95 % interval, ``unit`` and n."""
        names = ["preset", "weights", "metric", "p50", "low", "high", "unit", "n", "insufficient"]
        frame = _pandas().DataFrame(median_rows(self.summary), columns=names)
        return frame.astype(dict.fromkeys(("p50", "low", "high"), "float64"))

    @cached_property
    def floor(self) -> Mapping[str, Any] | None:
        """What ``duplex-lab algorithmic-latency PRESET --json RUN/floor.json`` found.

        None if it was not run.

        Raises:
            StoreError: the file is damaged.
        """
        return read_json(self.path / "floor.json")

    def preset(self, name: str) -> Mapping[str, Any]:
        """A preset as it was run, every option filled in.

        Raises:
            StoreError: the run does not hold it.
        """
        known = self.info.get("presets") or {}
        if name not in known:
            names = ", ".join(sorted(known)) or "none"
            raise StoreError(f"{self.path}: there is no preset {name!r} in it; there are {names}")
        found: Mapping[str, Any] = known[name]
        return found

    def recording(self, trial_id: str) -> Recording:
        """A trial's recording.

        Raises:
            StoreError: there is no such trial, or its recording is missing or damaged.
        """
        trial = self.run.trial(trial_id)
        pcm = self.run.recording(trial)
        if pcm is None:
            raise StoreError(f"{self.path}: no recording was made of trial {trial_id!r}")
        return Recording(pcm, trial.rate_hz)

    def timeline(self, trial_id: str) -> Timeline:
        """A trial turn by turn, from its marks and its recording."""
        trial = self.run.trial(trial_id)
        return reconstruct(trial, self.run.marks(trial_id), self.run.recording(trial))

    def critical_path(self, trial_id: str, turn: int) -> CriticalPath:
        """Where the time between the user and the agent went, in one turn.

        Raises:
            StoreError: there is no such trial, or the turn was not spoken in it.
        """
        timeline = self.timeline(trial_id)
        found = timeline.turn(turn)
        if found is None:
            raise StoreError(f"{self.path}: turn {turn} was not spoken in trial {trial_id!r}")
        return critical_path(found, timeline.chunks, timeline.trial.rate_hz)

    def sessions(self, trial_id: str) -> list[Frames]:
        """The sessions of a duplex model in a trial, frame by frame; none of other agents."""
        return sessions(self.run.marks(trial_id), self.run.trial(trial_id).t0_ns)


def load(run: str | Path) -> LoadedRun:
    """Opens a run's folder, whole or partial; ``latest`` is the one that began last.

    Raises:
        StoreError: it can't be read.
        LabError: pandas is not installed.
    """
    _pandas()
    return LoadedRun(read_run(find_run(run)))


def _pandas() -> Any:
    try:
        return importlib.import_module("pandas")
    except ImportError:
        raise LabError(
            "bench.load needs pandas, which is not installed: "
            "pip install 'duplex-lab[notebooks]' (in a checkout: pip install -e '.[notebooks]')."
        ) from None
