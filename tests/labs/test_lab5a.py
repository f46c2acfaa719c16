"""Lab 5a: the starter runs and is told what is open; every wrong step is told apart."""

import importlib.util
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from labs import catalogue
from labs.check import Submission, examine
from labs.code import OwnBox
from labs.examples.work import write_perfect
from labs.lab5a_cascade.checks import LAB, waterfall_picture
from labs.lab5a_cascade.measuring import FEW, measure
from labs.start import copy_starter
from pipelines.errors import LabError

HOME = catalogue.folder("5a")


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("lab5a") / "work"
    write_perfect(folder, 3, runs="base")
    return folder


@pytest.fixture
def work(base, tmp_path) -> Path:
    return Path(shutil.copytree(base, tmp_path / "work"))


def verdicts(folder: Path, *names: str) -> dict[str, tuple[bool | None, str]]:
    """Check → (passed, why) of these checks, or of all."""
    some = tuple(check for check in LAB.checks if not names or check.name in names)
    found = examine(replace(LAB, checks=some), Submission(folder, OwnBox()))
    return {r.check.name: (r.verdict.passed, r.verdict.why) for r in found}


def prosody():
    path = HOME / "solution" / "prosody.py"
    spec = importlib.util.spec_from_file_location("prosody_solution", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_starter_is_copied_once_and_replaces_nothing(tmp_path):
    assert copy_starter("5a", tmp_path / "my") == len(list((tmp_path / "my").rglob("*.*")))
    assert (tmp_path / "my" / "README.md").is_file()
    with pytest.raises(LabError, match="is there already"):
        copy_starter("5a", tmp_path / "my")


def test_a_folder_of_results_is_never_measured_over(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results" / "base").mkdir(parents=True)
    with pytest.raises(SystemExit, match="rm -r results/base"):
        measure("base", [], FEW)


def test_of_the_bare_starter_no_check_passes_and_none_ends_the_others(tmp_path):
    copy_starter("5a", tmp_path / "my")
    found = verdicts(tmp_path / "my")
    assert len(found) == len(LAB.checks)
    assert not any(passed for passed, _ in found.values())
    assert "wrong for stages that never vary" in found["floor-rule"][1]
    assert "not answered yet" in found["wait-price"][1]


def test_the_solution_passes_where_its_run_is_whole(work):
    found = verdicts(work)
    for name in ("answers-heard", "waterfall-bars", "floor-rule", "prosody-features"):
        assert found[name][0] is True, found[name]


def test_a_bar_that_ends_elsewhere_is_reported_by_its_name(work):
    text = (work / "waterfall.py").read_text(encoding="utf-8")
    changed = text.replace('"tts", "first_byte", spoken', '"tts", "request", spoken')
    assert changed != text
    (work / "waterfall.py").write_text(changed, encoding="utf-8")
    assert verdicts(work, "waterfall-bars")["waterfall-bars"] == (
        False,
        "the bar 'tts' ends somewhere else.",
    )


def picture(path: Path, width_ms: float, size: tuple[float, float] = (6, 3)) -> bytes:
    from matplotlib.figure import Figure

    figure = Figure(figsize=size)
    axes = figure.subplots()
    axes.barh([0, 1, 2], [width_ms] * 3)
    axes.set_xlim(0, 1000)
    figure.savefig(path, dpi=100)
    return path.read_bytes()


def test_a_picture_counts_that_has_bars_in_it(tmp_path):
    def told(data: bytes) -> tuple[bool | None, str]:
        (tmp_path / "waterfall.png").write_bytes(data)
        verdict = waterfall_picture(Submission(tmp_path))
        return verdict.passed, verdict.why

    drawn = picture(tmp_path / "a.png", 700)
    passed, why = told(drawn)
    assert passed and why.startswith("waterfall.png is 600 x 300 pixels")
    for data, reason in (
        (picture(tmp_path / "b.png", 0), "only 0.0 % of it is coloured"),
        (picture(tmp_path / "c.png", 700, (2, 1)), "400 x 200 is the least"),
        (drawn[: len(drawn) // 2], "can't be decoded"),
        (b"GIF89a", "is not a PNG"),
    ):
        passed, why = told(data)
        assert not passed and reason in why


def test_an_answer_is_held_against_the_run_and_the_right_one_is_not_revealed(work):
    answers = (HOME / "starter" / "answers.toml").read_text(encoding="utf-8")
    for said, side in ((10.0, "below"), (5000.0, "above")):
        text = answers.replace('predicted_ms = "TODO"', f"predicted_ms = {said}")
        (work / "answers.toml").write_text(text, encoding="utf-8")
        passed, why = verdicts(work, "floor-predicted")["floor-predicted"]
        assert passed is False
        assert why == f"floor.predicted_ms = {said:g} lies {side} what your run's marks give."


def test_a_run_on_a_shipped_preset_is_not_the_students_own_pipeline(work):
    path = work / "results" / "base" / "run.json"
    info = json.loads(path.read_text(encoding="utf-8"))
    info["presets"]["base"]["architecture"] = "cascade"
    path.write_text(json.dumps(info), encoding="utf-8")
    passed, why = verdicts(work, "answers-heard")["answers-heard"]
    assert passed is False
    assert "not measured on your pipeline" in why


def test_two_changes_at_once_prove_nothing(work):
    pair = work / "results" / "pair"
    shutil.copytree(work / "results" / "base", pair)
    info = json.loads((pair / "run.json").read_text(encoding="utf-8"))
    base = info["presets"]["base"]
    turns = {**base["stages"]["turns"], "vad_stop_secs": 0.2}
    both = {"turns": turns, "tts": {**base["stages"]["tts"], "aggregation": "clause"}}
    info["presets"]["faster"] = {**base, "stages": both}
    (pair / "run.json").write_text(json.dumps(info), encoding="utf-8")
    passed, why = verdicts(work, "one-change")["one-change"]
    assert passed is False
    assert "tts.aggregation, turns.vad_stop_secs differs" in why


@pytest.mark.parametrize("f0", [80.0, 123.0, 300.0])
def test_the_solutions_pitch_of_a_known_voice_is_right(f0):
    t = np.arange(16_000) / 16_000
    voice = sum(np.sin(2 * math.pi * f0 * k * t) / k for k in range(1, 9)) * 0.1
    assert prosody().f0_hz(voice, 16_000) == pytest.approx(f0, rel=0.01)


def test_the_solutions_pitch_of_noise_is_none():
    noise = np.random.default_rng(1).normal(0, 0.1, 16_000)
    assert prosody().f0_hz(noise, 16_000) == 0.0
