"""A run on disk: nothing lost, nothing half written, a sentence for each thing that is wrong."""

import errno
import io
import json
import os
import subprocess
import sys
import time
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import bench.store.atomic
from bench.metrics.compute import compute_trial
from bench.metrics.recompute import analyse, compute_run
from bench.simulated.turns import RATE_HZ, TurnPlan, labels_of, trial_of, write_example_run
from bench.store.atomic import StoreError, atomic_write
from bench.store.figures import read_figures
from bench.store.recording import Stereo
from bench.store.records import Trial
from bench.store.schema import RENAMED_METRICS, SCHEMA_VERSION, VERSION_KEY, arrow_schema
from bench.store.store import (
    consolidate,
    done_trials,
    read_causes,
    read_info,
    read_metrics,
    read_run,
    save_recording,
    write_info,
    write_metrics,
    write_trial,
)
from pipelines.marks import Mark


def some_trial(repeat: int = 0) -> tuple[Trial, list[Mark], Stereo]:
    trial, marks, pcm = trial_of([TurnPlan()], repeat=repeat)
    return replace(trial, started_utc=f"2026-01-01T00:00:{repeat:02d}Z"), marks, pcm


def files(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


def test_a_trial_comes_back_as_it_was_written(tmp_path: Path) -> None:
    trial, marks, pcm = some_trial()
    trial = replace(trial, recording=save_recording(tmp_path, trial.trial_id, pcm, RATE_HZ))
    write_trial(tmp_path, trial, marks)
    run = read_run(tmp_path)
    assert run.trials == (trial,)
    assert run.marks(trial.trial_id) == marks
    recording = run.recording(trial)
    assert recording is not None
    np.testing.assert_array_equal(recording, pcm)


def test_a_trial_that_ended_before_its_first_sample_has_no_recording(tmp_path: Path) -> None:
    assert save_recording(tmp_path, "x", np.zeros((0, 2), np.int16), RATE_HZ) is None
    assert files(tmp_path) == set()


@pytest.mark.parametrize("name", ["../other.flac", "{outside}"])
def test_a_recording_that_lies_outside_of_its_run_is_refused(tmp_path: Path, name: str) -> None:
    trial, marks, pcm = some_trial()
    other = save_recording(tmp_path, "other", pcm, trial.rate_hz)
    assert other is not None
    (tmp_path / other).rename(tmp_path / "other.flac")
    named = name.format(outside=tmp_path / "other.flac")
    write_trial(tmp_path / "run", replace(trial, recording=named), marks)
    run = read_run(tmp_path / "run")
    with pytest.raises(StoreError, match="lies outside the run's folder"):
        run.recording(run.trials[0])


def test_consolidating_changes_the_files_and_not_the_run(tmp_path: Path) -> None:
    for repeat in range(3):
        trial, marks, _ = some_trial(repeat)
        write_trial(tmp_path, trial, marks)
    before = read_run(tmp_path)
    consolidate(tmp_path)
    assert files(tmp_path) == {"trials.parquet", "marks.parquet"}
    after = read_run(tmp_path)
    assert after.trials == before.trials
    for trial in before.trials:
        assert after.marks(trial.trial_id) == before.marks(trial.trial_id)
    consolidate(tmp_path)  # twice does no harm
    assert read_run(tmp_path).trials == before.trials


def test_a_resumed_run_adds_to_what_is_consolidated(tmp_path: Path) -> None:
    for repeat in (0, 1):
        trial, marks, _ = some_trial(repeat)
        write_trial(tmp_path, trial, marks)
        consolidate(tmp_path)
    assert done_trials(tmp_path) == {"example.cmd_example.0", "example.cmd_example.1"}
    trial, marks, _ = some_trial(2)
    write_trial(tmp_path, trial, marks)
    assert len(done_trials(tmp_path)) == 3
    assert [t.repeat for t in read_run(tmp_path).trials] == [0, 1, 2]


def test_a_trial_that_is_run_again_replaces_the_earlier_one(tmp_path: Path) -> None:
    trial, marks, _ = some_trial()
    write_trial(tmp_path, replace(trial, status="error"), [])
    consolidate(tmp_path)
    write_trial(tmp_path, trial, marks)
    consolidate(tmp_path)
    run = read_run(tmp_path)
    assert [t.status for t in run.trials] == ["ok"]
    assert run.marks(trial.trial_id) == marks


def test_a_kill_before_the_trials_row_leaves_the_others_whole(tmp_path: Path) -> None:
    for repeat in (0, 1):
        trial, marks, _ = some_trial(repeat)
        write_trial(tmp_path, trial, marks)
    # What a kill between the two files leaves: marks, and a temporary file.
    (tmp_path / "parts/example.cmd_example.1.trials.parquet").unlink()
    (tmp_path / "parts/.example.cmd_example.1.trials.parquet.99.tmp").write_bytes(b"half")
    assert done_trials(tmp_path) == {"example.cmd_example.0"}
    assert [t.repeat for t in read_run(tmp_path).trials] == [0]


def test_a_kill_while_consolidating_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for repeat in (0, 1):
        trial, marks, _ = some_trial(repeat)
        write_trial(tmp_path, trial, marks)
    whole = read_run(tmp_path)
    for allowed in range(2):  # killed before the first file, between the two
        written: list[Path] = []

        def until(path: Path, data: bytes, *, n: int = allowed, w: list[Path] = written) -> None:
            if len(w) == n:
                raise KeyboardInterrupt
            w.append(path)
            atomic_write(path, data)

        with monkeypatch.context() as patch:
            patch.setattr("bench.store.tables.atomic_write", until)
            with pytest.raises(KeyboardInterrupt):
                consolidate(tmp_path)
        run = read_run(tmp_path)
        assert run.trials == whole.trials
        assert run.marks(run.trials[1].trial_id) == whole.marks(run.trials[1].trial_id)


def test_a_part_that_is_written_while_consolidating_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial, marks, _ = some_trial(0)
    write_trial(tmp_path, trial, marks)
    late, late_marks, _ = some_trial(1)

    def meanwhile(path: Path, data: bytes) -> None:
        atomic_write(path, data)
        if path.name == "marks.parquet":
            with monkeypatch.context() as patch:
                patch.setattr("bench.store.tables.atomic_write", atomic_write)
                write_trial(tmp_path, late, late_marks)

    monkeypatch.setattr("bench.store.tables.atomic_write", meanwhile)
    consolidate(tmp_path)
    left = sorted(path.name for path in (tmp_path / "parts").iterdir())
    assert left == [f"{late.trial_id}.marks.parquet", f"{late.trial_id}.trials.parquet"]
    assert done_trials(tmp_path) == {trial.trial_id, late.trial_id}


ENDLESS = """
import itertools, pathlib, sys
from dataclasses import replace
from bench.simulated.turns import TurnPlan, trial_of
from bench.store.store import consolidate, write_trial
for repeat in itertools.count():
    trial, marks, _ = trial_of([TurnPlan()], repeat=repeat)
    write_trial(pathlib.Path(sys.argv[1]), trial, marks)
    if repeat % 3 == 2:
        consolidate(pathlib.Path(sys.argv[1]))
    print(repeat, flush=True)
"""


@pytest.mark.parametrize("kill_after_ms", [0, 7, 23])
def test_a_run_killed_at_any_moment_loses_no_trial_that_was_done(
    tmp_path: Path, kill_after_ms: int
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(tmp_path)],
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        while writer.stdout.readline() != "4\n":
            pass
        time.sleep(kill_after_ms / 1000)
        writer.kill()
    run = read_run(tmp_path)
    _, marks, _ = some_trial()
    assert [t.repeat for t in sorted(run.trials, key=lambda t: t.repeat)][:5] == [0, 1, 2, 3, 4]
    for trial in run.trials:
        stored = run.marks(trial.trial_id)
        assert [replace(m, pid=0) for m in stored] == [replace(m, pid=0) for m in marks]


def test_a_trial_without_marks_is_kept(tmp_path: Path) -> None:
    trial, _, _ = some_trial()
    write_trial(tmp_path, trial, [])
    consolidate(tmp_path)
    run = read_run(tmp_path)
    assert run.marks(trial.trial_id) == []


def test_metrics_come_back_as_they_were_written(tmp_path: Path) -> None:
    trial, marks, pcm = some_trial()
    rows = compute_trial(trial, marks, pcm, labels_of("x", [TurnPlan()]))
    write_metrics(tmp_path, rows)
    assert read_metrics(tmp_path) == rows


def test_causes_come_back_as_they_were_computed_and_a_run_before_them_has_none(
    tmp_path: Path,
) -> None:
    write_example_run(tmp_path, trials=2)
    assert read_causes(tmp_path) is None
    run, _ = analyse(tmp_path)
    assert read_causes(tmp_path) == compute_run(run).causes != []


def test_metrics_computed_again_from_disk_are_the_same(tmp_path: Path) -> None:
    write_example_run(tmp_path, trials=2)
    _, first = analyse(tmp_path)
    _, second = analyse(tmp_path)
    assert first == second == read_metrics(tmp_path)
    assert any(row.value is not None and row.metric == "voice_to_voice" for row in first)


def test_run_json_comes_back_with_its_labels(tmp_path: Path) -> None:
    labels = labels_of("cmd_example", [TurnPlan()])
    write_info(tmp_path, {"run_id": "é", "fixtures": {"cmd_example": labels.to_dict()}})
    trial, marks, _ = some_trial()
    write_trial(tmp_path, trial, marks)
    run = read_run(tmp_path)
    assert run.info["run_id"] == "é"
    assert run.labels("cmd_example") == labels
    assert run.labels("another") is None


def test_a_folder_without_run_json_has_no_info(tmp_path: Path) -> None:
    assert read_info(tmp_path) == {}


# What can be wrong


@pytest.mark.parametrize("text", ["{", "[1]"])
def test_a_damaged_run_json_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(StoreError, match=r"run\.json: "):
        read_info(tmp_path)


def test_labels_that_can_not_be_understood_are_named(tmp_path: Path) -> None:
    trial, marks, _ = some_trial()
    write_trial(tmp_path, trial, marks)
    for broken in ({"turns": [{"text": "hi"}]}, {}, {"turns": [None]}):
        write_info(tmp_path, {"fixtures": {"f": broken}})
        with pytest.raises(StoreError, match=r"run\.json: "):
            read_run(tmp_path).labels("f")


def test_a_missing_folder_and_an_empty_one_are_distinguished(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such folder"):
        read_run(tmp_path / "none")
    with pytest.raises(StoreError, match="no trials in it"):
        read_run(tmp_path)


@pytest.mark.parametrize("keep", [0, 4, 1000, -8])
def test_a_damaged_parquet_file_is_named_wherever_the_damage_is(tmp_path: Path, keep: int) -> None:
    trial, marks, _ = some_trial()
    write_trial(tmp_path, trial, marks)
    consolidate(tmp_path)
    path = tmp_path / "marks.parquet"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(StoreError, match=r"marks\.parquet: the file is damaged"):
        read_run(tmp_path)


def test_damage_in_the_middle_of_a_file_is_found(tmp_path: Path) -> None:
    trial, marks, _ = some_trial()
    write_trial(tmp_path, trial, marks)
    path = tmp_path / "parts/example.cmd_example.0.marks.parquet"
    data = bytearray(path.read_bytes())
    data[4:400] = bytes(396)
    path.write_bytes(data)
    with pytest.raises(StoreError, match="the file is damaged"):
        read_run(tmp_path)


def test_missing_marks_are_named(tmp_path: Path) -> None:
    trial, marks, _ = some_trial()
    write_trial(tmp_path, trial, marks)
    consolidate(tmp_path)
    (tmp_path / "marks.parquet").unlink()
    with pytest.raises(StoreError, match=r"marks\.parquet: the file is missing"):
        read_run(tmp_path)


def as_of_version_2(folder: Path) -> None:
    """Makes a run's metrics what a program of schema 2 would have left: names and version."""
    path = folder / "metrics.parquet"
    table = pq.read_table(path)
    old = {new: name for name, new in RENAMED_METRICS.items()}
    names = pa.array([old.get(name, name) for name in table["metric"].to_pylist()])
    table = table.set_column(table.schema.get_field_index("metric"), table.field("metric"), names)
    pq.write_table(
        table.replace_schema_metadata({**table.schema.metadata, VERSION_KEY: b"2"}), path
    )


def test_metrics_of_older_runs_are_read_by_their_names_of_today(tmp_path: Path) -> None:
    write_example_run(tmp_path, trials=1)
    analyse(tmp_path)
    today = read_metrics(tmp_path)
    figures = {name: read_figures(tmp_path, name) for name in RENAMED_METRICS.values()}
    assert all(of.value for of in figures.values())
    as_of_version_2(tmp_path)
    stored = set(pq.read_table(tmp_path / "metrics.parquet")["metric"].to_pylist())
    assert set(RENAMED_METRICS) <= stored
    assert not set(RENAMED_METRICS.values()) & stored
    assert read_metrics(tmp_path) == today
    assert {name: read_figures(tmp_path, name) for name in figures} == figures


def test_a_newer_schema_is_refused_with_the_mend(tmp_path: Path) -> None:
    trial, marks, _ = some_trial()
    write_trial(tmp_path, trial, marks)
    path = tmp_path / "parts/example.cmd_example.0.trials.parquet"
    table = pq.read_table(path)
    newer = {**table.schema.metadata, VERSION_KEY: str(SCHEMA_VERSION + 1).encode()}
    pq.write_table(table.replace_schema_metadata(newer), path)
    with pytest.raises(StoreError, match=r"newer duplex-lab .* update duplex-lab"):
        read_run(tmp_path)


def test_a_table_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "metrics.parquet"
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(StoreError, match="lacks the column 'run_id'"):
        read_metrics(tmp_path)
    columns = {f.name: pa.array([], f.type) for f in arrow_schema("metrics")}
    pq.write_table(pa.table(columns), path)
    with pytest.raises(StoreError, match="lacks its schema version"):
        read_metrics(tmp_path)


def test_a_trial_that_is_asked_for_and_not_there_is_named(tmp_path: Path) -> None:
    trial, marks, _ = some_trial()
    write_trial(tmp_path, trial, marks)
    run = read_run(tmp_path)
    with pytest.raises(StoreError, match=r"no trial 'x'; there are example\.cmd_example\.0"):
        run.trial("x")
    assert run.trial(trial.trial_id) == trial


@pytest.mark.parametrize("trial_id", ["../escape", "a/b", "", ".hidden", "a b"])
def test_a_trial_id_that_is_no_file_name_is_refused(tmp_path: Path, trial_id: str) -> None:
    trial, marks, _ = some_trial()
    with pytest.raises(StoreError, match="trial id"):
        write_trial(tmp_path, replace(trial, trial_id=trial_id), marks)
    assert files(tmp_path) == set()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_a_sentence_and_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def full(fd: int) -> None:
        raise OSError(code, os.strerror(code))

    trial, marks, pcm = some_trial()
    write_trial(tmp_path, trial, marks)
    before = files(tmp_path)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="the disk is full; free some space"):
        write_trial(tmp_path, replace(trial, trial_id="other"), marks)
    with pytest.raises(StoreError, match="the disk is full"):
        save_recording(tmp_path, "other", pcm, RATE_HZ)
    assert files(tmp_path) == before
    assert done_trials(tmp_path) == {trial.trial_id}


def test_a_really_full_device_is_reported_as_such() -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with (
        pytest.raises(StoreError, match="the disk is full"),
        bench.store.atomic.explained(Path("x")),
        Path("/dev/full").open("wb", buffering=0) as file,
    ):
        file.write(b"x")


def test_a_missing_permission_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, mode: str = "r") -> io.BytesIO:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(StoreError, match=r"run\.json: no permission; choose another folder"):
        write_info(tmp_path, {})


def test_a_file_in_the_folders_place_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(StoreError, match="a file stands where a folder is needed"):
        write_info(tmp_path / "run", {})


def test_another_error_of_the_system_is_reported_in_its_words(tmp_path: Path) -> None:
    (tmp_path / "run.json").mkdir()
    with pytest.raises(StoreError, match=r"run\.json: "):
        write_info(tmp_path, {})
    with pytest.raises(StoreError, match=r"run\.json: "):
        read_info(tmp_path)


def test_run_json_is_plain_json(tmp_path: Path) -> None:
    write_info(tmp_path, {"b": 1, "a": "ö"})
    assert json.loads((tmp_path / "run.json").read_text(encoding="utf-8")) == {"a": "ö", "b": 1}


def test_the_records_of_a_trial_are_the_columns_of_its_table() -> None:
    assert {f.name for f in fields(Trial)} == set(arrow_schema("trials").names)


def test_half_a_character_in_a_trials_texts_is_written_as_its_replacement(tmp_path: Path) -> None:
    trial, marks, _ = some_trial()
    said = Mark(1, "stt", "final", 0, "r", 1, None, "go\ud83d")
    write_trial(tmp_path, replace(trial, error="bot: \udcff"), [*marks, said])
    write_info(tmp_path, {"machine": "\ud800", "presets": {"\udfff": 1}})
    run = read_run(tmp_path)
    assert run.trials[0].error == "bot: \ufffd"
    assert "go\ufffd" in {m.text for m in run.marks(trial.trial_id)}
    assert read_info(tmp_path) == {"machine": "\ufffd", "presets": {"\ufffd": 1}}


@pytest.mark.parametrize(
    ("data", "told"), [(b"[" * 100_000, "nested too deeply"), (b'{"a": "\xff"}', "can't decode")]
)
def test_a_run_json_of_hostile_form_is_one_sentence(tmp_path: Path, data: bytes, told: str) -> None:
    (tmp_path / "run.json").write_bytes(data)
    with pytest.raises(StoreError, match=rf"run\.json: the file is damaged \(.*{told}"):
        read_info(tmp_path)


def test_a_table_whose_text_is_not_utf8_is_damaged(tmp_path: Path) -> None:
    trial, marks, _ = some_trial()
    write_trial(tmp_path, replace(trial, error="XYZ"), marks)
    (path,) = tmp_path.glob("parts/*.trials.parquet")
    table = pq.read_table(path)
    at = table.schema.get_field_index("error")
    bad = pa.array([b"\xff"], pa.binary()).view(pa.string())
    table = table.set_column(at, table.schema.field("error"), bad)
    pq.write_table(table, path)
    with pytest.raises(StoreError, match="the file is damaged"):
        read_run(tmp_path)
