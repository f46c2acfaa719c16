"""From a stage's ``model`` to its file or folder, and whether its weights are random ones."""

from __future__ import annotations

import json
from pathlib import Path

from pipelines.cascade.engine_rows import engine_row
from pipelines.cascade.engines.gguf import read_facts
from pipelines.cascade.options import LlmOptions, SttOptions, TtsOptions
from pipelines.cascade.synthetic.made import PREFIX, path_of
from pipelines.cascade.synthetic.words import SYNTHETIC_KEY
from pipelines.engine import EngineError
from pipelines.models import resolve

StageOptions = SttOptions | LlmOptions | TtsOptions


def stage_of(options: StageOptions) -> str:
    """Which table these are the options of."""
    kinds = {SttOptions: "stt", LlmOptions: "llm", TtsOptions: "tts"}
    return kinds[type(options)]


def model_of(options: StageOptions) -> str:
    """The model that the preset names, or the engine's default; empty: it brings its own."""
    return options.model or engine_row(stage_of(options), options.engine).model


def model_path(stage: str, model: str) -> Path:
    """The file or folder of a model: of random weights (there or not), of an id, or a path.

    Raises:
        LabError: it is not there; one sentence.
    """
    return path_of(stage, model) if model.startswith(PREFIX) else resolve(model)


def has_random_weights(stage: str, model: str) -> bool:
    """Whether the model's own files say that it was made by `pipelines.cascade.synthetic`."""
    if model.startswith(PREFIX):
        return True
    path = model_path(stage, model)
    try:
        if stage == "llm":
            return bool(read_facts(path).get(SYNTHETIC_KEY))
        if stage == "tts":
            table = json.loads(path.with_name(path.name + ".json").read_text(encoding="utf-8"))
            return bool(table["audio"].get("quality") == "synthetic")
        table = json.loads((path / "preprocessor_config.json").read_text(encoding="utf-8"))
        return bool(table.get(SYNTHETIC_KEY))
    except (EngineError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return False  # what is wrong with the files is told by whoever loads them
