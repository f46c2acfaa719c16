"""A recording that is not that of its marks is told apart, and named by ``metrics``."""

from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from bench.cli.main import app
from bench.simulated.turns import TurnPlan, trial_of, write_example_run
from bench.store.recording import AGENT, read_recording, write_recording
from bench.store.store import read_run
from bench.timeline.agreement import disagreement


def some_trial():
    trial, marks, pcm = trial_of([TurnPlan()])
    return replace(trial, audio_s=len(pcm) / trial.rate_hz), marks, pcm


def test_a_recording_as_it_was_made_agrees_with_its_marks():
    assert disagreement(*some_trial()) is None


def test_a_recording_that_was_cut_is_told_by_its_length():
    trial, marks, pcm = some_trial()
    said = disagreement(trial, marks, pcm[: -trial.rate_hz // 10])
    assert said == (
        f"it lasts {trial.audio_s - 0.1:.3f} s, and {trial.audio_s:.3f} s were recorded"
    )
    assert disagreement(replace(trial, audio_s=0.0), marks, pcm[:-100]) is None  # not known


def test_sound_where_no_chunk_was_heard_is_told_by_its_place():
    trial, marks, pcm = some_trial()
    moved = pcm.copy()
    moved[:, AGENT] = np.roll(pcm[:, AGENT], -trial.rate_hz // 10)
    said = disagreement(trial, marks, moved)
    assert said == (
        "the agent sounds at 2284.0 ms of the recording, where no chunk is marked as heard (60 ms "
        "in all)"  # its first chunk begins 40 ms before it sounds
    )


@pytest.fixture
def run(tmp_path):
    write_example_run(tmp_path / "run", trials=2)
    return tmp_path / "run"


def test_metrics_names_the_trial_whose_recording_was_swapped(run):
    assert CliRunner().invoke(app, ["metrics", str(run)]).exit_code == 0
    trial = next(t for t in read_run(run).trials if t.recording)
    pcm, rate_hz = read_recording(run / trial.recording)
    write_recording(run / trial.recording, np.roll(pcm, rate_hz // 5, axis=0), rate_hz)
    found = CliRunner().invoke(app, ["metrics", str(run)])
    assert found.exit_code == 1
    told = [line for line in found.stderr.splitlines() if line.startswith("duplex-lab: ")]
    assert len(told) == 1
    assert told[0].startswith(f"duplex-lab: {trial.trial_id}: its recording does not match its")
