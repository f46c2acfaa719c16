"""Which adapter serves which model: by the prefix of the model's id, and the preset's backend."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from pipelines.duplex.frame_marks import NoMarks
from pipelines.duplex.scripted.options import ScriptOptions
from pipelines.duplex.session.options import ModelOptions, ProcessorOptions
from pipelines.errors import SpecError
from pipelines.marks import MarkSink
from pipelines.process.process import ModelProcess
from pipelines.registry import refusal

ENGINE = "pipelines.duplex.session.engine:DuplexEngine"
LOAD_TIMEOUT_S = 170.0
"""For loading and warming up: 7 billion parameters on a CPU take a minute."""
MOST_CANCEL_GRACE_S = 10.0
"""A step that has begun can't be broken off; a trial waits no longer than this for its end."""


@dataclass(frozen=True, slots=True)
class Backend:
    """One adapter."""

    adapter: str
    """``module:class`` of a `pipelines.duplex.session.model.DuplexModel`."""
    environment: str = ""
    """Its engine environment, a key of `process.environment.ENVIRONMENTS`; empty: ours."""
    needs_weights: bool = False
    """Whether it reads files of `pipelines.duplex.moshi.weights.files`."""


BACKENDS: dict[str, Backend] = {
    "mlx": Backend("pipelines.duplex.moshi.mlx:MoshiMlx", "moshi-mlx", needs_weights=True),
    "torch": Backend("pipelines.duplex.moshi.torch:MoshiTorch", "moshi-torch", needs_weights=True),
    "server": Backend("pipelines.duplex.moshi.server.model:MoshiServer"),
    "scripted": Backend("pipelines.duplex.scripted.model:ScriptedDuplex"),
    "nano": Backend("pipelines.duplex.nano.model:NanoDuplex"),
}
"""Backend of a preset → adapter."""

FAMILIES: dict[str, tuple[str, ...]] = {
    "moshi": ("mlx", "torch", "server"),
    "personaplex": ("server",),
    "scripted": ("scripted",),
    "nano": ("nano",),
}
"""Prefix of a model id → the backends that can serve it."""


@dataclass(frozen=True, slots=True)
class DuplexProcess:
    """Arguments of `pipelines.process.pool.ModelPool.get`."""

    name: str
    """What marks and errors call the model."""
    options: dict[str, Any]
    """Of `pipelines.duplex.session.engine.DuplexEngine`."""
    interpreter: str | None
    """Of the engine environment; None: ours."""
    limits: dict[str, float]
    """Time limits of `pipelines.process.process.ModelProcess`."""


def backend_of(model: ModelOptions, where: str = "[model]") -> Backend:
    """The adapter of a model.

    Raises:
        SpecError: no adapter serves it.
    """
    if why := refusal(model.id):
        raise SpecError(f"{where}: id = {why}")
    prefix = model.id.partition("-")[0]
    if prefix not in FAMILIES:
        known = ", ".join(f"{name}-…" for name in FAMILIES)
        raise SpecError(f"{where}: id = {model.id!r} is of no known family; known: {known}.")
    if model.backend not in FAMILIES[prefix]:
        able = " or ".join(repr(name) for name in FAMILIES[prefix])
        raise SpecError(
            f"{where}: backend = {model.backend!r} does not serve {model.id!r}: set {able}."
        )
    if model.backend == "server" and not model.url:
        raise SpecError(
            f"{where}: backend = 'server' needs its address: set url = \"ws://host:port\"."
        )
    return BACKENDS[model.backend]


def describe(
    model: ModelOptions,
    processor: ProcessorOptions | None = None,
    script: ScriptOptions | None = None,
) -> DuplexProcess:
    """How to start a model's process.

    Raises:
        LabError: no adapter serves it, or its environment or its weights are not there.
    """
    processor = processor or ProcessorOptions()
    backend = backend_of(model)
    timeout_s = processor.frame_timeout_s
    return DuplexProcess(
        name=model.id,
        options={
            "adapter": backend.adapter,
            "options": _adapter_options(model, script or ScriptOptions()),
            "stages": model.stages,
        },
        interpreter=_interpreter(backend),
        limits={
            "load_timeout_s": LOAD_TIMEOUT_S,
            "request_timeout_s": timeout_s,
            "cancel_grace_s": min(timeout_s, MOST_CANCEL_GRACE_S),
        },
    )


def duplex_process(
    model: ModelOptions,
    *,
    processor: ProcessorOptions | None = None,
    script: ScriptOptions | None = None,
    marks: MarkSink | None = None,
) -> ModelProcess:
    """A model's process, for use with ``async with``; see `MoshiProcessor`.

    Raises:
        LabError: as `describe`; `pipelines.duplex.provide.provide_model` makes what is missing.
    """
    d = describe(model, processor, script)
    return ModelProcess(
        d.name, ENGINE, d.options, marks=marks or NoMarks(), interpreter=d.interpreter, **d.limits
    )


def _interpreter(backend: Backend) -> str | None:
    if not backend.environment:
        return None
    from pipelines.process import environment

    found = environment.find(backend.environment)
    if found is None:
        raise SpecError(
            f"The engine environment {backend.environment!r} is not built: a run builds it first; "
            "elsewhere call pipelines.process.environment.ensure."
        )
    return found


def _adapter_options(model: ModelOptions, script: ScriptOptions) -> dict[str, Any]:
    """Keyword arguments of the adapter's class."""
    if model.backend == "scripted":
        return dataclasses.asdict(script)
    if model.backend == "server":
        return {
            "url": model.url,
            "id": model.id,
            "voice_prompt": model.voice_prompt,
            "text_prompt": model.text_prompt,
        }
    if model.backend == "nano":
        from pipelines.duplex.nano import files as nano_weights

        return {
            "config": str(nano_weights.folder_of(model.weights) / nano_weights.CARD_NAME),
            "temperature": model.temperature,
            "text_temperature": model.text_temperature,
        }
    from pipelines.duplex.moshi.weights import files as weights

    return {
        **weights.find(model).options,
        "precision": model.precision,
        "temperature": model.temperature,
        "text_temperature": model.text_temperature,
        "threads": model.threads,
    }
