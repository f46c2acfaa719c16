"""Lab 5b: the starter is told what is open, the worked files pass, wrong steps are told apart."""

import importlib.util
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from labs import catalogue
from labs.check import Submission, examine
from labs.code import OwnBox
from labs.lab5b_duplex import sound
from labs.lab5b_duplex.checks import LAB
from labs.lab5b_duplex.reading import SENTENCES, f1, f1_of_weights, read_table
from labs.start import copy_starter
from pipelines.watch.reading.judge import WEIGHTS

HOME = catalogue.folder("5b")
ROOT = Path(__file__).parents[2]


def verdicts(folder, *names):
    """Check → (passed, why) of these checks, or of all."""
    some = tuple(check for check in LAB.checks if not names or check.name in names)
    found = examine(replace(LAB, checks=some), Submission(folder, OwnBox()))
    return {r.check.name: (r.verdict.passed, r.verdict.why) for r in found}


def answered(folder, **answers):
    text = (folder / "answers.toml").read_text()
    for key, value in answers.items():
        lines = [f"{key} = {value!r}" if line.startswith(f"{key} ") else line
                 for line in text.splitlines()]  # fmt: skip
        text = "\n".join(lines)
    (folder / "answers.toml").write_text(text)


@pytest.fixture
def work(tmp_path):
    folder = tmp_path / "work"
    copy_starter("5b", folder)
    return folder


def with_solution(folder, *names):
    for name in names:
        shutil.copyfile(HOME / "solution" / name, folder / name)


def test_of_the_bare_starter_no_check_passes_and_none_ends_the_others(work):
    found = verdicts(work)
    assert len(found) == len(LAB.checks)
    assert not [name for name, (passed, _) in found.items() if passed]


def test_every_check_is_listed_in_the_task(work):
    text = (HOME / "README.md").read_text()
    for check in LAB.checks:
        assert f"- `{check.name}`: {check.what}" in text
    for pattern in LAB.files:
        assert f"`{pattern}`" in text


def test_the_worked_codec_passes_and_the_answer_is_mimis_rate(work):
    with_solution(work, "rvq.py")
    answered(work, mimi_kbps=1.1)
    found = verdicts(work, "rvq-sums", "rvq-learns", "rvq-bits")
    assert all(passed for passed, _ in found.values()), found
    answered(work, mimi_kbps=24.0)
    assert not verdicts(work, "rvq-bits")["rvq-bits"][0]


def test_a_codec_that_codes_the_vectors_and_not_the_residuals_is_reported(work):
    with_solution(work, "rvq.py")
    path = work / "rvq.py"
    path.write_text(path.read_text().replace("residual = residual - codebook[code]", "pass"))
    passed, why = verdicts(work, "rvq-sums")["rvq-sums"]
    assert not passed and "a level does not code what those before it left over" in why


def test_the_shipped_weights_pass_and_others_are_reported_with_their_f1(work):
    shutil.copyfile(WEIGHTS, work / "weights.json")
    score = f1_of_weights(WEIGHTS, read_table(SENTENCES))
    answered(work, classifier_f1=round(score, 4))
    assert verdicts(work, "classifier-score")["classifier-score"][0]
    (work / "weights.json").write_text('{"bias": 5, "threshold": 0.5, "weights": {}}')
    passed, why = verdicts(work, "classifier-score")["classifier-score"]
    assert not passed and "F1 0.8" in why


def test_the_floor_is_derived_by_hand_and_measured_by_the_probe(work):
    shutil.copyfile(ROOT / "results" / "sample" / "floor.json", work / "floor.json")
    measured = json.loads((work / "floor.json").read_text())["floor_ms"]
    answered(work, derived_ms=160, measured_ms=measured)
    assert verdicts(work, "floor-figures")["floor-figures"][0]
    answered(work, derived_ms=240)
    assert "derived_ms = 240 lies above" in verdicts(work, "floor-figures")["floor-figures"][1]


def test_worked_rules_find_tasks(work):
    with_solution(work, "rules.py")
    answered(work, rules_f1=0.7)
    assert verdicts(work, "rules-score")["rules-score"][0]


def test_f1_counts_what_is_right_found_and_labelled():
    rows = read_table(SENTENCES)[:4]
    right = [[h.task for h in row.heard] for row in rows]
    assert f1(rows, right) == 1.0
    assert f1(rows, [[] for _ in rows]) == 0.0
    assert f1(rows, [[*tasks, "dance"] for tasks in right]) == pytest.approx(8 / 12)


def test_speech_comes_back_from_its_log_mel_frames_with_the_same_frames():
    (dance,) = sound.sentences("cmd_dance")
    assert (dance.voice, dance.text) == ("rms", "dance for me")
    assert dance.frames.shape == ((len(dance.pcm) // 160 + 1) // 2, 80)
    again = sound.frames_of(sound.sound_of(dance.frames))
    same = min(len(again), len(dance.frames))
    alike = np.corrcoef(again[:same].ravel(), dance.frames[:same].ravel())[0, 1]
    assert alike > 0.95


def test_a_tone_comes_back_at_its_pitch():
    t = np.arange(16_000) / 16_000
    back = sound.sound_of(sound.frames_of(0.3 * np.sin(2 * np.pi * 440 * t)))
    peak = np.argmax(np.abs(np.fft.rfft(back[4000:12000] * np.hanning(8000)))) * 2
    assert peak == pytest.approx(440, abs=40)


def test_a_voice_is_recognised_by_its_mean_spectrum_however_loud_it_speaks():
    rng = np.random.default_rng(0)
    shape = {name: rng.normal(size=80) for name in ("a", "b")}
    many = {name: one + rng.normal(size=(200, 80)) for name, one in shape.items()}
    profiles = {name: sound.profile(frames) for name, frames in many.items()}
    louder = shape["b"] + 3.0 + rng.normal(size=(40, 80))
    assert sound.voice_of(louder, profiles) == "b"


def test_the_starter_does_not_measure_over_a_folder_of_results(tmp_path):
    shutil.copy(HOME / "starter" / "measure.py", tmp_path)
    (tmp_path / "results" / "frames").mkdir(parents=True)
    words = [sys.executable, "measure.py", "frames"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.strip().endswith("remove it: rm -r results/frames")
    assert "Traceback" not in done.stderr


def test_the_shipped_duplex_model_is_opened_up_frame_by_frame(capsys, monkeypatch):
    path = HOME / "starter" / "inside.py"
    spec = importlib.util.spec_from_file_location("inside", path)
    inside = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(inside)

    def lines(*flags: str) -> list[str]:
        monkeypatch.setattr("sys.argv", ["inside.py", "cmd_bring_green_cup", *flags])
        inside.main()
        return capsys.readouterr().out.splitlines()

    heard = lines()
    assert heard[0] == "the user says: bring me the green cup"
    frames = heard[2:]
    assert [float(line.split()[0]) for line in frames[:3]] == [0.0, 0.08, 0.16]
    read = [line[20:38].split()[0] for line in frames if line[20:38].strip()]
    assert {"bring", "green"} <= set(read), read
    deaf = lines("--deaf")[2:]
    assert [line[:38] for line in deaf] == [line[:38] for line in frames]
    assert deaf != frames
    with pytest.raises(SystemExit, match="Opens duplex-nano up"):
        lines("--loud")
