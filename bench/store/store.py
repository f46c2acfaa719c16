"""A run on disk: written trial by trial, so that a killed run loses nothing; read back as a `Run`.

``parts/<trial_id>.{marks,trials}.parquet`` appear trial by trial, the trial's row last: a trial
whose row is there is whole. `consolidate` gathers them into ``trials.parquet`` and
``marks.parquet`` (one row group per trial); `read_run` reads both forms, and a mixture of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa

from bench.store.atomic import StoreError, atomic_write, explained
from bench.store.labels import FixtureLabels
from bench.store.recording import Stereo, read_recording, write_recording
from bench.store.records import CauseRow, MetricRow, Trial
from bench.store.schema import todays_name
from bench.store.tables import (
    as_table,
    marks_of,
    read_marks,
    read_table,
    values_of,
    write_tables,
)
from pipelines.guards.texts import parse_json, whole
from pipelines.marks import Mark

SWEEP_JSON = "sweep.json"
"""File of a folder that is a sweep: runs lie in it, trials do not."""
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]*")


@dataclass(frozen=True, slots=True)
class Run:
    """The contents of a run's folder."""

    path: Path
    """The folder."""
    info: Mapping[str, Any]
    """``run.json``: machine, versions, presets, fixtures' labels."""
    trials: tuple[Trial, ...]
    """The trials, in the order in which they began."""
    mark_tables: Mapping[str, pa.Table]
    """Trial id → its marks, in arrow's form."""

    @property
    def run_id(self) -> str:
        """The run's name."""
        return self.trials[0].run_id if self.trials else self.path.name

    def trial(self, trial_id: str) -> Trial:
        """One trial.

        Raises:
            StoreError: there is no such trial.
        """
        for trial in self.trials:
            if trial.trial_id == trial_id:
                return trial
        some = ", ".join(t.trial_id for t in self.trials[:3]) or "none"
        raise StoreError(f"{self.path}: there is no trial {trial_id!r}; there are {some}, …")

    def marks(self, trial_id: str) -> list[Mark]:
        """A trial's marks, in the order in which they were taken."""
        table = self.mark_tables.get(trial_id)
        if table is None:
            return []
        return marks_of({field.name: values_of(table[field.name]) for field in fields(Mark)})

    def recording(self, trial: Trial) -> Stereo | None:
        """A trial's recording, (n, 2) int16; None where none was made.

        Raises:
            StoreError: the file is missing or damaged, or its rate is not the trial's.
        """
        if trial.recording is None:
            return None
        path = self.path / trial.recording
        if not path.resolve().is_relative_to(self.path.resolve()):
            raise StoreError(f"{trial.trial_id}: its recording lies outside the run's folder")
        pcm, rate_hz = read_recording(path)
        if rate_hz != trial.rate_hz:
            raise StoreError(
                f"{trial.recording}: its rate is {rate_hz} Hz, the trial's row says {trial.rate_hz}"
            )
        return pcm

    def labels(self, fixture: str) -> FixtureLabels | None:
        """The labels of a fixture, as stored in ``run.json``; None where they are not.

        Raises:
            StoreError: they can't be understood.
        """
        table = self.info.get("fixtures", {}).get(fixture)
        if table is None:
            return None
        try:
            return FixtureLabels.from_dict(fixture, table)
        except (ValueError, TypeError, AttributeError) as error:
            raise StoreError(f"{self.path / 'run.json'}: {error}") from None

    def proposed(self) -> tuple[str, ...]:
        """The fixtures of its trials whose labels were proposed and not checked, by name.

        Raises:
            StoreError: labels can't be understood.
        """
        return tuple(of.name for of in self._all_labels() if of.proposed)

    def given(self) -> tuple[str, ...]:
        """The fixtures of its trials that are recorded calls whose words came with them, by name.

        Raises:
            StoreError: labels can't be understood.
        """
        return tuple(of.name for of in self._all_labels() if of.given)

    def _all_labels(self) -> list[FixtureLabels]:
        """The labels of all fixtures of its trials, by name."""
        names = sorted({trial.fixture for trial in self.trials})
        return [labels for name in names if (labels := self.labels(name)) is not None]


# Writing


def _safe(trial_id: str) -> str:
    if not _SAFE.fullmatch(trial_id):
        raise StoreError(f"trial id {trial_id!r}: only letters, digits and . _ - @ + can be used")
    return trial_id


def write_info(run_dir: Path, info: Mapping[str, Any]) -> None:
    """Writes ``run.json``, whole or not at all."""
    text = whole(json.dumps(info, indent=2, ensure_ascii=False, sort_keys=True))
    atomic_write(run_dir / "run.json", (text + "\n").encode())


def save_recording(run_dir: Path, trial_id: str, pcm: Stereo, rate_hz: int) -> str | None:
    """Writes a trial's recording.

    Args:
        run_dir: The run's folder.
        trial_id: The trial.
        pcm: (n, 2) int16.
        rate_hz: Samples per second.

    Returns:
        The value of `Trial.recording`: the path, or None without any sample.
    """
    if len(pcm) == 0:
        return None
    relative = f"audio/{_safe(trial_id)}.flac"
    write_recording(run_dir / relative, pcm, rate_hz)
    return relative


def write_trial(run_dir: Path, trial: Trial, marks: Sequence[Mark]) -> None:
    """Writes one trial: its marks, and then its row, which marks it as whole.

    Raises:
        StoreError: the folder can't be written, or the trial's id is no file name.
    """
    stem = _safe(trial.trial_id)
    seq: dict[str, list[Any]] = {
        "trial_id": [trial.trial_id] * len(marks),
        "seq": list(range(len(marks))),
    }
    parts = run_dir / "parts"
    write_tables(parts / f"{stem}.marks.parquet", "marks", [as_table("marks", marks, **seq)])
    write_tables(parts / f"{stem}.trials.parquet", "trials", [as_table("trials", [trial])])


def write_metrics(run_dir: Path, rows: Iterable[MetricRow]) -> None:
    """Writes ``metrics.parquet``, whole or not at all."""
    write_tables(run_dir / "metrics.parquet", "metrics", [as_table("metrics", list(rows))])


def write_causes(run_dir: Path, rows: Iterable[CauseRow]) -> None:
    """Writes ``causes.parquet``, whole or not at all."""
    write_tables(run_dir / "causes.parquet", "causes", [as_table("causes", list(rows))])


def consolidate(run_dir: Path) -> None:
    """Gathers the parts into ``trials.parquet`` and ``marks.parquet``; then removes the parts.

    Marks go first and parts last, so that a kill at any moment loses nothing. Only what was
    gathered is removed: a part that appeared meanwhile stays. Safe to repeat.
    """
    parts = run_dir / "parts"
    if (run_dir / "trials.parquet").exists() and not parts.exists():
        return  # it is done
    gathered: list[Path] = []
    run = _read_all(run_dir, gathered)
    tables = [run.mark_tables[t.trial_id] for t in run.trials if t.trial_id in run.mark_tables]
    write_tables(run_dir / "marks.parquet", "marks", tables)
    write_tables(run_dir / "trials.parquet", "trials", [as_table("trials", run.trials)])
    with explained(parts):
        for part in gathered:
            part.unlink()
        if parts.is_dir() and not any(parts.iterdir()):
            parts.rmdir()


# Reading


def read_info(run_dir: Path) -> dict[str, Any]:
    """Reads ``run.json``; empty where there is none.

    Raises:
        StoreError: it is damaged.
    """
    return read_json(run_dir / "run.json") or {}


def read_json(path: Path) -> dict[str, Any] | None:
    """Reads an object; None where there is no such file.

    Raises:
        StoreError: it is damaged.
    """
    if not path.exists():
        return None
    with explained(path):
        text = path.read_bytes()
    try:
        info = parse_json(text)
    except ValueError as error:
        raise StoreError(f"{path}: the file is damaged ({error})") from None
    if not isinstance(info, dict):
        raise StoreError(f"{path}: an object is needed, not a {type(info).__name__}")
    return info


def statuses(run_dir: Path) -> dict[str, str]:
    """The status of each trial that is whole on disk, by its id.

    Raises:
        StoreError: a file is damaged, or newer than this program.
    """
    found: dict[str, str] = {}
    for path in [run_dir / "trials.parquet", *sorted(run_dir.glob("parts/*.trials.parquet"))]:
        if path.exists():
            table = read_table(path, "trials")
            ids, said = table["trial_id"].to_pylist(), table["status"].to_pylist()
            found |= dict(zip(ids, said, strict=True))
    return found


def read_trials(run_dir: Path) -> list[Trial]:
    """The trials that are whole on disk, without their marks: much less to read than a run.

    Raises:
        StoreError: a file is damaged, or newer than this program.
    """
    found: dict[str, Trial] = {}
    for path in [run_dir / "trials.parquet", *sorted(run_dir.glob("parts/*.trials.parquet"))]:
        if path.exists():
            rows = read_table(path, "trials").to_pylist()
            found |= {row["trial_id"]: Trial(**row) for row in rows}
    return list(found.values())


def done_trials(run_dir: Path) -> set[str]:
    """Ids of the trials that are whole on disk: a resumed run skips them."""
    whole = {p.name.removesuffix(".trials.parquet") for p in run_dir.glob("parts/*.trials.parquet")}
    if (run_dir / "trials.parquet").exists():
        whole |= set(read_table(run_dir / "trials.parquet", "trials")["trial_id"].to_pylist())
    return whole


def read_run(run_dir: Path) -> Run:
    """Reads a run, whole or partial, consolidated or not.

    Raises:
        StoreError: the folder is missing or holds no trial, or a file in it is damaged or newer
            than this program.
    """
    return _read_all(run_dir, [])


def read_more(run_dir: Path, known: Collection[str]) -> Run:
    """Reads what a run that goes on has on disk by now, without the parts of some trials.

    Args:
        run_dir: Its folder.
        known: Ids of trials that were read before.

    Raises:
        StoreError: as `read_run`; no new trial is none where some are known.
    """
    return _read_all(run_dir, [], known)


def _read_all(run_dir: Path, parts: list[Path], known: Collection[str] = ()) -> Run:
    """Like `read_run`; adds to ``parts`` those that it read, each trial's row before its marks."""
    if not run_dir.is_dir():
        raise StoreError(f"{run_dir}: there is no such folder; a run's folder is needed")
    trials: dict[str, Trial] = {}
    marks: dict[str, pa.Table] = {}
    if (run_dir / "trials.parquet").exists():
        for row in read_table(run_dir / "trials.parquet", "trials").to_pylist():
            trials[row["trial_id"]] = Trial(**row)
        marks = read_marks(run_dir / "marks.parquet")
    for path in sorted(run_dir.glob("parts/*.trials.parquet")):
        stem = path.name.removesuffix(".trials.parquet")
        if stem in known:
            continue
        for row in read_table(path, "trials").to_pylist():
            trials[row["trial_id"]] = Trial(**row)
        beside = path.with_name(f"{stem}.marks.parquet")
        marks[stem] = read_table(beside, "marks")
        parts += [path, beside]
    if not trials and not known:
        raise StoreError(f"{run_dir}: {_no_trials(run_dir)}")
    ordered = sorted(trials.values(), key=lambda t: (t.started_utc, t.t0_ns, t.trial_id))
    return Run(run_dir, read_info(run_dir), tuple(ordered), marks)


def _no_trials(folder: Path) -> str:
    """What a folder without trials is, in a sentence."""
    if not (folder / SWEEP_JSON).is_file():
        return "there are no trials in it; is it a run's folder?"
    names = sorted(path.parent.name for path in folder.glob("*/run.json"))
    runs = f"name one of its runs: {', '.join(names)}." if names else "none of its runs has begun."
    return f"it is a sweep, whose runs are never pooled; {runs}"


def read_metrics(run_dir: Path) -> list[MetricRow]:
    """Reads ``metrics.parquet``.

    Raises:
        StoreError: it is missing, damaged or newer than this program.
    """
    rows = read_table(run_dir / "metrics.parquet", "metrics").to_pylist()
    return [MetricRow(**row | {"metric": todays_name(row["metric"])}) for row in rows]


def read_causes(run_dir: Path) -> list[CauseRow] | None:
    """Reads ``causes.parquet``; None where there is none, as in runs before schema 4.

    Raises:
        StoreError: it is damaged or newer than this program.
    """
    if not (run_dir / "causes.parquet").exists():
        return None
    return [CauseRow(**row) for row in read_table(run_dir / "causes.parquet", "causes").to_pylist()]
