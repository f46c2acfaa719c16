"""The process that serves a stage's options: its name, its engine and the engine's arguments."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.engines.adapters import STAGES, engine_row
from pipelines.engines.model_files import (
    StageModel,
    StageOptions,
    has_random_weights,
    model_of,
    model_path,
    stage_of,
)
from pipelines.engines.options import LlmOptions, SttOptions, TtsOptions
from pipelines.engines.row import on_disk
from pipelines.errors import ModelError
from pipelines.process.engine import EngineError
from pipelines.process.link import CANCEL_GRACE_S
from pipelines.spec import PipelineSpec

OUR_MODEL = "creature-3m"
"""The small language model of the package, whose steps are short."""
OUR_LOAD_S = 60.0
"""Longest loading of one of the package's small engines, s."""
LOAD_S = 180.0
"""Longest loading of a big model, on a slow disk or a busy machine, s; an agent waits for 240 s."""


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """Arguments of `pipelines.process.pool.ModelPool.get`."""

    name: str
    """Name of the model in marks and errors."""
    engine: str
    """``module:class``."""
    options: dict[str, Any] = field(default_factory=dict)
    """Keyword arguments of the class."""
    request_timeout_s: float = 5.0
    """Longest silence while an answer is owed; see the preset's ``timeout_secs``."""
    environment: str = ""
    """The engine environment whose interpreter runs it; empty: our own."""
    cancel_grace_s: float = CANCEL_GRACE_S
    """Longest step of the engine, s, which no cancel can interrupt."""
    load_timeout_s: float = OUR_LOAD_S
    """Limit for starting, loading and warming up together, s."""
    rate_hz: int = 0
    """Of a synthesiser's audio; 0: its row names none, and espeak-ng's is meant."""


def stt_engine(options: SttOptions) -> EngineSpec:
    """The recogniser's process."""
    return _engine(options)


def llm_engine(options: LlmOptions) -> EngineSpec:
    """The language model's process."""
    return _engine(options)


def tts_engine(options: TtsOptions) -> EngineSpec:
    """The synthesiser's process."""
    return _engine(options)


def _engine(options: StageOptions) -> EngineSpec:
    row = engine_row(stage_of(options), options.engine)
    model = _model(options)
    # A step of a big model (a window, a long prompt) may take as long as an answer.
    quick = not row.reads or model.name == OUR_MODEL
    try:
        rate_hz = row.rate_hz(model)
    except EngineError as error:
        raise ModelError(f"[{row.stage}]: {error}.") from error
    return EngineSpec(
        name=_name(options),
        engine=row.path,
        options=row.arguments(options, model),
        request_timeout_s=options.timeout_secs,
        environment=row.environment,
        cancel_grace_s=CANCEL_GRACE_S if quick else max(CANCEL_GRACE_S, options.timeout_secs),
        load_timeout_s=OUR_LOAD_S if quick else LOAD_S,
        rate_hz=rate_hz,
    )


def _model(options: StageOptions) -> StageModel:
    return StageModel(options.engine, model_of(options))


def _name(options: StageOptions) -> str:
    """Name of a stage's model in marks, errors and ``run.json``."""
    row, model = engine_row(stage_of(options), options.engine), _model(options).short
    return row.called.format(model=model) if row.called else f"{row.name} {model}".strip()


def answer_tokens(options: LlmOptions) -> int:
    """Most tokens of an answer: of random weights, the forced length."""
    if has_random_weights(options.engine, model_of(options)):
        return min(options.forced_tokens, options.max_tokens)
    return options.max_tokens


def model_files(spec: PipelineSpec) -> list[dict[str, str]]:
    """The files of the preset's models, as ``run.json`` lists them: name, file, sha256."""
    return [entry for stage in STAGES for entry in _files(spec.stages[stage])]


def _files(options: StageOptions) -> list[dict[str, str]]:
    row = engine_row(stage_of(options), options.engine)
    if row.files is not None:
        return row.files(options)
    if not row.reads:  # a server: its files are its own
        return [{"name": f"{row.name} {model_of(options)}".strip(), "file": ""}]
    return [on_disk(_name(options), _main_file(_model(options).path))]


def gguf_path(model: str) -> Path:
    """The file of a language model."""
    return model_path("llama", model)


def _main_file(path: Path) -> Path:
    """The largest file of a model's folder, which is where its weights are."""
    files = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else []
    return max(files, key=lambda p: (p.stat().st_size, p.name), default=path)


def system_prompt(options: LlmOptions, scene: str | None) -> str:
    """The system message: the preset's text, then the scene (or the model's own, if none)."""
    reads = engine_row("llm", options.engine).reads
    facts = scene or (_model(options).system_prompt if reads else "")
    return f"{options.system} {facts}".strip()
