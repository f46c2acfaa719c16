"""The start of a duplex model's process: its name, its adapter and the adapter's arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipelines.duplex.adapters import adapter_of
from pipelines.duplex.scripted.options import ScriptOptions
from pipelines.duplex.session.options import ModelOptions, ProcessorOptions
from pipelines.duplex.session.row import AdapterRow
from pipelines.errors import SpecError
from pipelines.marks import MarkSink, NoMarks
from pipelines.process import environment
from pipelines.process.process import ModelProcess

ENGINE = "pipelines.duplex.session.engine:DuplexEngine"
LOAD_TIMEOUT_S = 170.0
"""Limit for loading and warming up, s: 7 billion parameters on a CPU take a minute."""
MOST_CANCEL_GRACE_S = 10.0
"""Longest wait of a trial for the end of a step, s: a step that has begun can't be interrupted."""


@dataclass(frozen=True, slots=True)
class DuplexProcess:
    """Arguments of `pipelines.process.pool.ModelPool.get`."""

    name: str
    """Name of the model in marks and errors."""
    options: dict[str, Any]
    """Options of `pipelines.duplex.session.engine.DuplexEngine`."""
    interpreter: str | None
    """Interpreter of the engine environment; None: ours."""
    limits: dict[str, float]
    """Time limits of `pipelines.process.process.ModelProcess`."""


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
    row = adapter_of(model)
    timeout_s = processor.frame_timeout_s
    paths = row.weights.arguments(model) if row.weights else {}
    return DuplexProcess(
        name=model.id,
        options={
            "adapter": row.path,
            "options": {**paths, **row.arguments(model, script or ScriptOptions())},
            "stages": model.stages,
        },
        interpreter=_interpreter(row),
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


def _interpreter(row: AdapterRow) -> str | None:
    if not row.environment:
        return None
    found = environment.find(row.environment)
    if found is None:
        raise SpecError(
            f"The engine environment {row.environment!r} is not built: a run builds it first; "
            "elsewhere call pipelines.process.environment.ensure."
        )
    return found
