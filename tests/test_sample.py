"""The sample run that ships: small, whole, and without a word about anybody's machine."""

import importlib.util
import json
import platform
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bench.metrics.compute import compute
from bench.metrics.recompute import analyse, compute_run
from bench.simulated.turns import TurnPlan, trial_of, write_example_run
from bench.store.store import (
    read_causes,
    read_info,
    read_metrics,
    read_run,
    write_info,
    write_trial,
)
from pipelines.errors import LabError

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "results" / "sample"

spec = importlib.util.spec_from_file_location("make_sample", ROOT / "scripts" / "make_sample.py")
make_sample = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make_sample)


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    folder = tmp_path_factory.mktemp("example") / "run"
    write_example_run(folder, trials=4)
    write_info(
        folder,
        read_info(folder) | {"machine": {"system": "Linux-6.1.2-somebodys-x86_64", "cpu": "a cpu"}},
    )
    analyse(folder)
    return folder


def test_the_sample_that_ships_is_small_and_its_metrics_are_computed_from_it():
    size = sum(path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file())
    assert size <= 2_000_000
    run = read_run(SAMPLE)
    stored = read_metrics(SAMPLE)
    then = {row.metric for row in stored}  # it was made before some of today's metrics
    assert [row for row in compute(run) if row.metric in then] == stored
    assert len(then) > 80
    found = read_causes(SAMPLE)
    assert found, "write its causes: duplex-lab metrics results/sample"
    names = {row.cause for row in found}
    assert [row for row in compute_run(run).causes if row.cause in names] == found
    assert {trial.kind for trial in run.trials} >= {"cascade", "duplex"}
    assert run.info["sample"]["of"] == run.run_id
    assert all((SAMPLE / t.recording).is_file() for t in run.trials if t.recording)
    assert not make_sample.PRIVATE.search((SAMPLE / "run.json").read_text(encoding="utf-8"))


def test_a_sample_holds_the_chosen_trials_whole(example, tmp_path):
    run = read_run(example)
    make_sample.cut(run, tmp_path / "sample", ["cmd_example_02"])
    found = read_run(tmp_path / "sample")
    assert {(t.fixture, t.warmup) for t in found.trials} == {
        ("cmd_example_00", True),
        ("cmd_example_02", False),
    }
    assert found.trials == tuple(run.trial(t.trial_id) for t in found.trials)
    for trial in found.trials:
        assert found.marks(trial.trial_id) == run.marks(trial.trial_id)
        assert (found.recording(trial) == run.recording(trial)).all()
    kept = {trial.trial_id for trial in found.trials}
    rows = [row for row in read_metrics(example) if row.trial_id in kept]
    assert read_metrics(tmp_path / "sample") == rows
    assert found.info["fixtures"].keys() == {"cmd_example_00", "cmd_example_02"}
    assert found.info["machine"] == {"system": "Linux-6.1.2", "cpu": "a cpu"}
    assert found.info["sample"]["of"] == "example"


def test_a_long_session_is_kept_without_its_recording(example, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(example, folder)
    trial, marks, _ = trial_of([TurnPlan()], fixture="session_150s")
    write_trial(folder, replace(trial, recording="audio/session.flac"), marks)
    make_sample.cut(read_run(folder), tmp_path / "sample", ["cmd_example_01"])
    found = read_run(tmp_path / "sample")
    assert found.trial(trial.trial_id).recording is None
    assert found.marks(trial.trial_id) == marks
    assert found.info["sample"]["without_recording"] == [trial.trial_id]


def test_a_sample_of_no_trial_is_refused_and_the_one_there_stays(example, tmp_path):
    out = tmp_path / "sample"
    out.mkdir()
    (out / "kept").touch()
    with pytest.raises(LabError, match="it has no trial of nothing; name others"):
        make_sample.cut(read_run(example), out, ["nothing"])
    assert [path.name for path in tmp_path.rglob("*")] == ["sample", "kept"]


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ("no file /home/ada/models/x.gguf", r"this machine's folders: '/home/ada/models/x.gguf'"),
        (f"on {platform.node()} it failed", "this machine's name"),
    ],
)
def test_what_reveals_a_machine_is_refused(example, tmp_path, told, words):
    folder = tmp_path / "run"
    shutil.copytree(example, folder)
    run = read_run(folder)
    chosen = next(t for t in run.trials if t.fixture == "cmd_example_01")
    write_trial(folder, replace(chosen, error=told), run.marks(chosen.trial_id))
    with pytest.raises(LabError, match=words):
        make_sample.cut(read_run(folder), tmp_path / "sample", ["cmd_example_01"])
    assert not (tmp_path / "sample").exists()


def test_a_sample_that_is_too_large_is_refused(example, tmp_path, monkeypatch):
    monkeypatch.setattr(make_sample, "LIMIT_BYTES", 1000)
    with pytest.raises(LabError, match=r"more than 0\.001"):
        make_sample.cut(read_run(example), tmp_path / "sample", ["cmd_example_01"])


def test_the_samples_run_json_says_that_it_is_one():
    info = json.loads((SAMPLE / "run.json").read_text(encoding="utf-8"))
    assert "not to compare pipelines by" in info["sample"]["note"]
    assert "plan" not in info  # a sample is not gone on with
