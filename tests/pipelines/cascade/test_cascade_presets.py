"""What the cascade's presets turn into: turn strategies, engines, files of models, prompts."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from pipecat.turns.user_stop import (
    SpeechTimeoutUserTurnStopStrategy,
    TurnAnalyzerUserTurnStopStrategy,
)

from pipelines.cascade.turns import user_params
from pipelines.engines.options import LlmOptions, SttOptions, TurnOptions
from pipelines.engines.processes import (
    llm_engine,
    model_files,
    stt_engine,
    system_prompt,
    tts_engine,
)
from pipelines.spec import load_spec


def test_each_turn_preset_is_what_it_says() -> None:
    vad = user_params(TurnOptions(preset="vad", vad_stop_secs=0.3))
    assert vad.vad_analyzer is not None and vad.vad_analyzer.params.stop_secs == 0.3
    assert vad.user_turn_strategies is not None and vad.user_turn_strategies.stop is not None
    assert isinstance(vad.user_turn_strategies.stop[0], SpeechTimeoutUserTurnStopStrategy)
    smart = user_params(TurnOptions(preset="smart-turn"))
    assert smart.user_turn_strategies is not None and smart.user_turn_strategies.stop is not None
    assert isinstance(smart.user_turn_strategies.stop[0], TurnAnalyzerUserTurnStopStrategy)
    stock = user_params(TurnOptions(preset="stock"))
    assert stock.user_turn_strategies is None and stock.empty_user_turn is not None


@pytest.mark.parametrize("name", ["cascade-embedded", "cascade-stock"])
def test_the_shipped_presets_are_read_and_name_their_models(name: str) -> None:
    spec = load_spec(name)
    assert spec.kind == "cascade" and spec.weights == "trained"
    engines = [
        stt_engine(spec.stages["stt"]),
        llm_engine(spec.stages["llm"]),
        tts_engine(spec.stages["tts"]),
    ]
    assert [e.name for e in engines] == ["pocketsphinx", "creature-3m", "espeak-ng"]
    assert [f["name"] for f in model_files(spec)] == [
        "pocketsphinx en-us",
        "pocketsphinx domain sentences",
        "creature-3m",
        "espeak-ng",
    ]


def test_the_sentences_of_the_language_model_of_speech_are_named_with_their_checksum(
    tmp_path: Path,
) -> None:
    spec = load_spec("cascade-embedded")
    shipped = model_files(spec)[1]
    assert shipped["file"] == "user_sentences.txt" and len(shipped["sha256"]) == 64
    own = tmp_path / "mine.txt"
    own.write_bytes(b"go home\n")
    stages = {**spec.stages, "stt": SttOptions(sentences=str(own))}
    assert model_files(replace(spec, stages=stages))[1] == {
        "name": "pocketsphinx domain sentences",
        "file": "mine.txt",
        "sha256": hashlib.sha256(b"go home\n").hexdigest(),
    }
    general = model_files(replace(spec, stages={**stages, "stt": SttOptions(lm="default")}))
    assert not any("sentences" in f["name"] for f in general)


def test_the_scene_follows_what_the_preset_says(tmp_path: Path) -> None:
    model = tmp_path / "model.gguf"
    model.touch()
    options = LlmOptions(model=str(model), system="Be brief.")
    assert system_prompt(options, "The cup is here.") == "Be brief. The cup is here."
    assert system_prompt(options, None) == "Be brief."
    (tmp_path / "manifest.toml").write_text('system_prompt = "The key is there."\n')
    assert system_prompt(options, None) == "Be brief. The key is there."
    assert system_prompt(LlmOptions(model=str(model)), "The cup is here.") == "The cup is here."
