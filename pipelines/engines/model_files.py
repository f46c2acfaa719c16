"""From a stage's ``model`` to its file or folder, and whether its weights are random."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pipelines.engines.adapters import engine_row, row_named
from pipelines.engines.made import PREFIX, maker_of, path_of
from pipelines.engines.options import LlmOptions, SttOptions, TtsOptions
from pipelines.engines.row import Stage
from pipelines.models import resolve
from pipelines.process.engine import EngineError

StageOptions = SttOptions | LlmOptions | TtsOptions


@dataclass(frozen=True, slots=True)
class StageModel:
    """The model of one stage: a `pipelines.engines.row.Model`."""

    engine: str
    """The engine that uses it."""
    name: str
    """An id, a path, or ``synthetic:SIZE``; empty: the engine brings its own."""

    @property
    def path(self) -> Path:
        """See `pipelines.engines.row.Model.path`."""
        return model_path(self.engine, self.name)

    @property
    def random(self) -> bool:
        """See `pipelines.engines.row.Model.random`."""
        return has_random_weights(self.engine, self.name)

    @property
    def system_prompt(self) -> str:
        """See `pipelines.engines.row.Model.system_prompt`."""
        try:
            with (self.path.parent / "manifest.toml").open("rb") as file:
                return str(tomllib.load(file).get("system_prompt", ""))
        except (OSError, tomllib.TOMLDecodeError):
            return ""  # the engine reports a broken manifest when it loads

    @property
    def short(self) -> str:
        """Its name: its id, or its file's name."""
        return self.name if self.name.startswith(PREFIX) else Path(self.name).stem


def stage_of(options: StageOptions) -> Stage:
    """The table of these options."""
    kinds: dict[type, Stage] = {SttOptions: "stt", LlmOptions: "llm", TtsOptions: "tts"}
    return kinds[type(options)]


def model_of(options: StageOptions) -> str:
    """The model that the preset names, or the engine's default; empty: it brings its own."""
    return options.model or engine_row(stage_of(options), options.engine).model


def model_path(engine: str, model: str) -> Path:
    """The file or folder of a model: of random weights (there or not), of an id, or a path.

    Raises:
        LabError: it is not there; one sentence.
    """
    return path_of(engine, model) if model.startswith(PREFIX) else resolve(model)


def has_random_weights(engine: str, model: str) -> bool:
    """True if the model's own files say that `pipelines.engines.synthetic` made it."""
    return model.startswith(PREFIX) or _says_random(engine, model_path(engine, model))


@lru_cache(maxsize=64)  # the head of a GGUF takes a good part of a second to read
def _says_random(engine: str, path: Path) -> bool:
    if not row_named(engine).maker:
        return False
    try:
        return maker_of(engine).is_random(path)
    except (EngineError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return False  # the loader of the files reports what is wrong with them
