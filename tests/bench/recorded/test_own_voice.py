"""How often a recogniser errs on a voice by itself: the preset's synthesiser speaks for that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from typer.testing import CliRunner

from bench.cli.main import app
from bench.recorded import listener
from bench.recorded.own_voice import errors_on, meant, spoken, voice_of
from bench.simulated.turns import TurnPlan, labels_of, trial_of
from bench.stats.word_errors import WordErrors
from bench.store.store import read_run, save_recording, write_info, write_trial
from pipelines.engines.processes import EngineSpec
from pipelines.errors import LabError, ModelError
from pipelines.process import environment

PARROT = EngineSpec("parrot", "pipelines.process.doubles:ParrotEngine", rate_hz=22_000)
"""A voice of 20 ms a letter."""
ESPEAK = {"architecture": "cascade", "stages": {"tts": {"engine": "espeak", "rate_wpm": 175}}}


def test_the_voice_speaks_each_text_and_the_words_that_are_misheard_are_counted() -> None:
    texts = ["the red block", "go on"]
    heard = {11: "the red brick", 4: "go on"}
    seen: list[int] = []

    def recognise(pcm: np.ndarray, rate_hz: int) -> str:
        seen.append(rate_hz)
        return heard[round(1000 * len(pcm) / rate_hz / 20)]

    assert errors_on(PARROT, texts, recognise) == WordErrors(1, 5)
    assert seen == [22_000, 22_000]


def test_a_cascades_voice_is_its_own_engine_with_its_own_options() -> None:
    voice = voice_of(ESPEAK)
    assert voice is not None
    assert (voice.name, voice.options["rate_wpm"]) == ("espeak-ng", 175)
    ((pcm, rate_hz),) = spoken(voice, ["okay, I will go to the kitchen."])
    assert rate_hz == 22_050
    assert 1.0 < len(pcm) / rate_hz < 4.0
    assert np.abs(pcm.astype(int)).max() > 1000


@pytest.mark.parametrize("preset", [{}, {"architecture": "bot"}, {"architecture": "duplex"}])
def test_what_has_no_synthesiser_of_its_own_here_is_not_asked_to_speak(preset: dict) -> None:
    assert voice_of(preset) is None


def test_an_engine_that_this_program_does_not_know_is_a_sentence() -> None:
    unknown = {"architecture": "cascade", "stages": {"tts": {"engine": "of a newer version"}}}
    with pytest.raises(LabError, match="of a newer version"):
        voice_of(unknown)


def test_a_voice_whose_environment_is_not_built_says_how_to_build_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(environment, "find", lambda name: None)
    with pytest.raises(ModelError, match="is not built: duplex-lab engines build kokoro"):
        list(spoken(replace(PARROT, environment="kokoro"), ["a"]))


def answered(folder: Path, *texts: str) -> None:
    """A run of one turn for each text, which is what its agent meant to say."""
    for repeat, text in enumerate(texts):
        trial, marks, pcm = trial_of([TurnPlan(answer=text)], repeat=repeat)
        path = save_recording(folder, trial.trial_id, pcm, trial.rate_hz)
        write_trial(folder, replace(trial, recording=path), marks)
    labels = labels_of(trial.fixture, [TurnPlan()]).to_dict()
    write_info(folder, {"fixtures": {trial.fixture: labels}, "presets": {trial.preset: ESPEAK}})


def test_what_was_meant_is_spoken_once_whatever_its_repeats(tmp_path: Path) -> None:
    answered(tmp_path, "the red block", "the red block", "go on")
    run = read_run(tmp_path)
    assert meant(run, run.trials[0].preset) == ["the red block", "go on"]
    assert meant(run, "another") == []


def test_listen_ranks_nothing_by_a_recogniser_that_mishears_the_voice_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = " ".join(["go to the kitchen"] * 30)
    answered(tmp_path, text)
    preset = read_run(tmp_path).trials[0].preset
    monkeypatch.setattr(listener, "Sphinx", lambda sentences: _Deaf())
    done = CliRunner().invoke(app, ["listen", str(tmp_path)])
    said = " ".join(done.output.split())
    assert "the recogniser's own on this voice: 120 of 120 (100.0 %)." in said
    assert f"Not ranked: {preset}." in said


class _Deaf:
    """A recogniser that hears nothing."""

    described: ClassVar = {"engine": "deaf"}

    def __call__(self, pcm: np.ndarray, rate_hz: int) -> str:
        return ""
