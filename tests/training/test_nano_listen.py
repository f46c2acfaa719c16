"""The sheet to look at and listen to, on a run with known answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import soundfile

from bench.simulated.turn_taking import TurnTakingPlan, turn_taking_labels_of, turn_taking_trial_of
from bench.store.store import read_run, save_recording, write_info, write_trial
from pipelines.clock import NS_PER_MS
from pipelines.errors import LabError
from pipelines.marks import stamp
from training.nano_duplex.listen import answers, beside, spectrogram_db, write

RATE = 16_000


def write_run(run_dir, number: int) -> None:
    """Conversations in which the agent says ``answer N`` to the first turn, for 1.85 s."""
    fixtures = {}
    for i in range(number):
        plan = TurnTakingPlan(ending="yielded", then=None)
        trial, marks, pcm = turn_taking_trial_of(plan, fixture=f"f{i:02d}", t0_ns=(i + 1) * 10**12)
        for j, word in enumerate((" answer", f" {i}")):
            at_ns = trial.t0_ns + (2400 + 200 * j) * NS_PER_MS
            marks.append(stamp("duplex", "text", t_ns=at_ns, text=word))
        path = save_recording(run_dir, trial.trial_id, pcm, RATE)
        write_trial(run_dir, replace(trial, recording=path), marks)
        fixtures[trial.fixture] = turn_taking_labels_of(trial.fixture, plan).to_dict()
    write_info(run_dir, {"run_id": "example", "fixtures": fixtures})


def test_answers_are_taken_evenly_and_cut_to_what_was_heard(tmp_path):
    write_run(tmp_path, 5)
    found = answers(read_run(tmp_path), "example", most=3)
    assert [(a.name, a.text) for a in found] == [
        ("01-f00-0", "answer 0"),
        ("02-f02-0", "answer 2"),
        ("03-f04-0", "answer 4"),
    ]
    assert [len(a.heard) / RATE for a in found] == [pytest.approx(1.85 + 0.2)] * 3


def test_the_sheet_and_the_recordings_of_both_are_written(tmp_path):
    write_run(tmp_path / "run", 3)
    found = answers(read_run(tmp_path / "run"), "example")
    pairs = beside(found, lambda text: (np.full(24_000, 0.1 * len(text) / 8), 24_000))
    write(pairs, tmp_path / "out")
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"sheet.png", "texts.txt", "01-f00-0.flac", "01-f00-0.original.flac"} <= names
    assert len(names) == 2 + 2 * 3
    original, rate_hz = soundfile.read(tmp_path / "out" / "02-f01-0.original.flac")
    assert (len(original), rate_hz) == (RATE, RATE)  # 1 s, at the answer's rate
    assert (tmp_path / "out" / "sheet.png").read_bytes()[:4] == b"\x89PNG"


def test_without_the_voice_there_is_the_answer_alone(tmp_path):
    write_run(tmp_path / "run", 1)
    (pair,) = beside(answers(read_run(tmp_path / "run"), "example"), None)
    assert pair.original is None
    write([pair], tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.original.flac"))


def test_who_said_nothing_can_not_be_listened_to(tmp_path):
    write_run(tmp_path, 1)
    with pytest.raises(LabError, match="'another' said nothing"):
        answers(read_run(tmp_path), "another")


def test_a_full_scale_sine_is_0_db_in_its_own_bin():
    t = np.arange(24_000) / 24_000
    levels = spectrogram_db(np.sin(2 * np.pi * 1000 * t), 24_000)
    middle = levels[:, levels.shape[1] // 2]
    assert int(middle.argmax()) == 32  # 1000 Hz / 31.25 Hz
    assert middle.max() == pytest.approx(0.0, abs=0.05)
    assert middle[200] < -60
