"""bench.load: a run as frames, and a sentence for each thing that is not there."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import bench
from bench.metrics.recompute import analyse
from bench.metrics.table import METRICS
from bench.notebook.wide import SUFFIXES, column, turn_columns
from bench.simulated.frames import DuplexPlan, duplex_trial_of
from bench.simulated.turns import RATE_HZ, TurnPlan, labels_of, trial_of
from bench.store.atomic import StoreError
from bench.store.schema import VERSION_KEY
from bench.store.store import save_recording, write_info, write_trial
from bench.timeline.frame_times import inter_frame_ms, service_ms
from pipelines.errors import LabError

CASCADE, DUPLEX = "cascade-example.cmd_example.0", "duplex-example.session_example.0"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One cascade trial of two turns (one unanswered) and one duplex trial of 125 frames."""
    plans = [TurnPlan(), TurnPlan(u_on_ms=5500, u_off_ms=7000, heard_ms=None)]
    trial, marks, pcm = trial_of(plans, preset="cascade-example")
    write_one(tmp_path, trial, marks, pcm, RATE_HZ)
    plan = DuplexPlan(service_ms=(86.0,), unpaced=40)
    trial, marks, pcm = duplex_trial_of(plan)
    write_one(tmp_path, trial, marks, pcm, 24_000)
    labels = labels_of("cmd_example", plans)
    presets = {"cascade-example": {"stages": {"turns": {"vad_stop_secs": 0.2}}}}
    write_info(tmp_path, {"fixtures": {labels.name: labels.to_dict()}, "presets": presets})
    analyse(tmp_path)
    return tmp_path


def write_one(folder, trial, marks, pcm, rate_hz):
    path = save_recording(folder, trial.trial_id, pcm, rate_hz)
    write_trial(folder, replace(trial, recording=path), marks)


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(p.relative_to(folder)): (p.read_bytes(), p.stat().st_mtime_ns)
        for p in folder.rglob("*")
        if p.is_file()
    }


def test_a_turn_is_a_row_and_its_figures_are_columns_with_units(folder):
    turns = bench.load(folder).turns
    assert list(turns.columns) == list(turn_columns())
    first, second = turns[turns.trial_id == CASCADE].itertuples()
    # TurnPlan: heard at 344, 40 ms of leading silence; released at 250.
    assert first.voice_to_voice_ms == pytest.approx(384, abs=0.05)
    assert first.endpointing_delay_ms == 250
    assert first.llm_to_clause_ms == 78
    assert first.task_success_percent == 100
    assert bool(first.valid) is True
    assert np.isnan(second.voice_to_voice_ms)
    assert second.reason == "no answer"
    assert len(turns[turns.trial_id == DUPLEX]) == 1


def test_every_unit_of_a_turns_metric_has_an_ending():
    assert {m.unit for m in METRICS if m.scope == "turn"} <= set(SUFFIXES)
    assert column("rss_peak_mb", "MB") == "rss_peak_mb_MB"  # a unit without an ending is seen
    assert column("underrun_ms", "ms") == "underrun_ms"


def test_a_frame_is_a_row_with_times_in_ms(folder):
    run = bench.load(str(folder))
    frames = run.frames
    paced = frames[~frames.unpaced]
    assert (len(paced), len(frames)) == (125, 165)
    # 86 ms for each frame of 80: the k-th output comes 6 ms later than the one before would.
    assert paced.inter_frame_ms.dropna().to_numpy() == pytest.approx(np.full(123, 86.0), abs=1e-5)
    assert paced.backlog_ms.iloc[100] == pytest.approx(0.1 + 0.5 + 6 * 100 - 0.1 - 0.5, abs=0.7)
    assert paced.encode_ms.dropna().unique() == pytest.approx(10.0, abs=1e-5)
    assert not paced.counts.iloc[24] and paced.counts.iloc[25]
    session = next(s for s in run.sessions(DUPLEX) if not s.is_unpaced)
    of_package = service_ms(session)
    np.testing.assert_array_equal(paced.service_ms[paced.counts].dropna(), of_package)
    # Of the pair across the limit the package looks at the first frame.
    assert len(inter_frame_ms(session)) == paced.inter_frame_ms[paced.counts].count() - 1


def test_trials_marks_and_metrics_come_as_they_were_stored(folder):
    run = bench.load(folder)
    assert list(run.trials.trial_id) == [t.trial_id for t in run.run.trials]
    marks = run.marks[run.marks.trial_id == CASCADE]
    assert len(marks) == len(run.run.marks(CASCADE))
    assert marks.at_ms.is_monotonic_increasing
    release = marks[(marks.stage == "turn") & (marks.event == "release")].at_ms.iloc[0]
    assert release == 2250
    rows = run.metrics
    assert len(rows) == len(run.rows)
    assert set(rows.unit[rows.metric == "voice_to_voice"]) == {"ms"}
    heard = rows[(rows.metric == "voice_to_voice") & (rows.reason == "no answer")]
    assert len(heard) == 1 and heard.value.isna().all()


def test_timeline_path_summary_recording_and_preset_are_the_packages_own(folder):
    run = bench.load(folder)
    path = run.critical_path(CASCADE, 0)
    assert path.release is not None and (path.release - path.u_off) == 250_000_000
    assert [p.preset for p in run.summary.presets] == ["cascade-example", "duplex-example"]
    recording = run.recording(CASCADE)
    assert recording.rate_hz == RATE_HZ
    assert recording.pcm.shape[1] == 2 and recording.pcm.dtype == np.int16
    assert run.preset("cascade-example")["stages"]["turns"]["vad_stop_secs"] == 0.2
    assert run.info["fixtures"].keys() == {"cmd_example"}


def test_medians_come_with_their_unit_and_the_n_that_they_lack(folder):
    medians = bench.load(folder).medians
    row = medians[
        (medians.preset == "cascade-example") & (medians.metric == "endpointing_delay")
    ].iloc[0]
    assert (row.p50, row.unit, row.n) == (250, "ms", 2)
    assert np.isnan(row.low) and row.insufficient == "insufficient n (2, 20)"


def test_the_floor_is_read_from_beside_the_run(folder):
    assert bench.load(folder).floor is None
    (folder / "floor.json").write_text('{"floor_ms": 160.0}')
    assert bench.load(folder).floor == {"floor_ms": 160.0}
    (folder / "floor.json").write_text("{")
    with pytest.raises(StoreError, match=r"floor\.json: the file is damaged"):
        _ = bench.load(folder).floor


def test_reading_changes_nothing_on_disk(folder):
    before = contents(folder)
    run = bench.load(folder)
    for table in ("trials", "marks", "metrics", "causes", "turns", "frames", "medians", "floor"):
        getattr(run, table)
    run.recording(CASCADE)
    assert contents(folder) == before


def test_without_metrics_on_disk_they_are_computed_and_not_written(folder):
    stored = bench.load(folder).rows
    (folder / "metrics.parquet").unlink()
    run = bench.load(folder)
    assert run.rows == stored
    assert not (folder / "metrics.parquet").exists()


def test_causes_are_those_on_disk_or_else_computed_and_not_written(folder):
    stored = bench.load(folder).causes
    assert set(stored.cause) >= {"vad_stop_secs"} and (stored.lost_ms > 0).all()
    (folder / "causes.parquet").unlink()
    assert bench.load(folder).causes.equals(stored)
    assert not (folder / "causes.parquet").exists()


def test_a_run_without_frames_has_the_columns_and_no_rows(tmp_path):
    trial, marks, pcm = trial_of([TurnPlan()])
    write_one(tmp_path, trial, marks, pcm, RATE_HZ)
    frames = bench.load(tmp_path).frames
    assert len(frames) == 0
    assert {"inter_frame_ms", "service_ms", "backlog_ms", "done_at_ms"} <= set(frames.columns)


def test_a_run_without_marks_has_the_columns_and_no_rows(tmp_path):
    trial, _, pcm = trial_of([TurnPlan()])
    write_one(tmp_path, trial, [], pcm, RATE_HZ)
    run = bench.load(tmp_path)
    assert len(run.marks) == 0
    assert "at_ms" in run.marks.columns
    assert np.isnan(run.turns.voice_to_voice_ms).all()


def test_a_missing_recording_is_named_and_the_rest_can_be_read(folder):
    (folder / "audio" / f"{CASCADE}.flac").unlink()
    run = bench.load(folder)
    with pytest.raises(StoreError, match="the recording is missing"):
        run.recording(CASCADE)
    assert len(run.turns) == 3


@pytest.mark.parametrize("name", ["trials", "marks", "metrics"])
def test_a_truncated_parquet_is_named(folder, name):
    path = folder / f"{name}.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(StoreError, match=rf"{name}\.parquet: the file is damaged"):
        _ = bench.load(folder).rows


def test_an_empty_folder_and_a_missing_one_are_distinguished(tmp_path):
    with pytest.raises(StoreError, match="there are no trials in it"):
        bench.load(tmp_path)
    with pytest.raises(StoreError, match="there is no such folder"):
        bench.load(tmp_path / "nowhere")


def test_a_run_of_the_first_schema_is_read_with_the_defaults_of_what_came_later(folder):
    for name in ("trials", "marks", "metrics"):
        path = folder / f"{name}.parquet"
        table = pq.read_table(path)
        if name == "trials":
            table = table.drop_columns(["preroll_ms"])
        groups = [table]
        if name == "marks":
            file = pq.ParquetFile(path)
            groups = [file.read_row_group(i) for i in range(file.num_row_groups)]
        schema = groups[0].schema.with_metadata({VERSION_KEY: b"1"})
        with pq.ParquetWriter(path, schema) as writer:
            for group in groups:
                writer.write_table(group.cast(schema))
    run = bench.load(folder)
    assert list(run.trials.preroll_ms) == [0.0, 0.0]
    assert len(run.turns) == 3 and len(run.marks) > 0


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda run: run.preset("nobody"), "there is no preset 'nobody' in it; there are cascade"),
        (lambda run: run.recording("nobody"), "there is no trial 'nobody'"),
        (lambda run: run.critical_path(CASCADE, 7), "turn 7 was not spoken"),
    ],
)
def test_what_is_not_there_is_named(folder, ask, words):
    with pytest.raises(StoreError, match=words):
        ask(bench.load(folder))


def test_without_pandas_one_sentence_names_the_extra(monkeypatch, folder):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(LabError, match=r"pip install 'duplex-lab\[notebooks\]'"):
        bench.load(folder)


def test_importing_bench_loads_nothing():
    code = (
        "import sys, bench; print([m for m in ('pandas', 'pyarrow', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
