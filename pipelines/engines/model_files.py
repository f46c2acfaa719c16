"""From a stage's ``model`` to its file or folder, and whether its weights are random ones."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from pipelines.engines.options import LlmOptions, SttOptions, TtsOptions
from pipelines.engines.rows import engine_row
from pipelines.engines.synthetic.made import PREFIX, path_of
from pipelines.engines.synthetic.words import SYNTHETIC_FILE, SYNTHETIC_KEY
from pipelines.models import resolve
from pipelines.process.engine import EngineError
from pipelines.weights.gguf import read_facts

StageOptions = SttOptions | LlmOptions | TtsOptions


def stage_of(options: StageOptions) -> str:
    """Which table these are the options of."""
    kinds = {SttOptions: "stt", LlmOptions: "llm", TtsOptions: "tts"}
    return kinds[type(options)]


def model_of(options: StageOptions) -> str:
    """The model that the preset names, or the engine's default; empty: it brings its own."""
    return options.model or engine_row(stage_of(options), options.engine).model


def voice_of(options: TtsOptions) -> str:
    """The voice that the preset names, or the engine's default."""
    return options.voice or engine_row("tts", options.engine).voice


def model_path(engine: str, model: str) -> Path:
    """The file or folder of a model: of random weights (there or not), of an id, or a path.

    Raises:
        LabError: it is not there; one sentence.
    """
    return path_of(engine, model) if model.startswith(PREFIX) else resolve(model)


def has_random_weights(engine: str, model: str) -> bool:
    """Whether the model's own files say that it was made by `pipelines.engines.synthetic`."""
    return model.startswith(PREFIX) or _says_random(engine, model_path(engine, model))


@lru_cache(maxsize=64)  # the head of a GGUF takes a good part of a second to read
def _says_random(engine: str, path: Path) -> bool:
    try:
        if engine.startswith("llama"):
            return bool(read_facts(path).get(SYNTHETIC_KEY))
        if engine == "piper":
            table = json.loads(path.with_name(path.name + ".json").read_text(encoding="utf-8"))
            return bool(table["audio"].get("quality") == "synthetic")
        if engine == "faster-whisper":
            table = json.loads((path / "preprocessor_config.json").read_text(encoding="utf-8"))
            return bool(table.get(SYNTHETIC_KEY))
        return ((path if path.is_dir() else path.parent) / SYNTHETIC_FILE).is_file()
    except (EngineError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return False  # what is wrong with the files is told by whoever loads them
