"""A session of its own: with its models, which are loaded when it starts and ended with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from pipelines.marks import MarkList, NoMarks
from pipelines.process.pool import ModelPool
from pipelines.registry import load_object
from pipelines.server.session.backend import Backend, Capabilities, Emit
from pipelines.server.session.conversation import Session
from pipelines.server.session.events import AudioIn, Input
from pipelines.server.session.forms import Form, provide, spec_of, step_model_of
from pipelines.server.session.log import SessionLog
from pipelines.server.session.step import StepBackend
from pipelines.spec import PipelineSpec


class _WithModels:
    """A pipeline's backend that owns its models."""

    def __init__(
        self, spec: PipelineSpec, marks: MarkList | None, tell: Callable[[str], None]
    ) -> None:
        from pipelines.server.session.pipeline import PipelineBackend

        self._spec = spec
        self._models = ModelPool(marks if marks is not None else NoMarks())
        self._backend: Backend = PipelineBackend(spec, self._models, marks)
        self._tell = tell

    @property
    def capabilities(self) -> Capabilities:
        return self._backend.capabilities

    async def start(self, emit: Emit) -> None:
        await asyncio.to_thread(provide, self._spec, self._tell)
        await self._backend.start(emit)

    def push(self, chunk: AudioIn) -> None:
        self._backend.push(chunk)

    async def send(self, given: Input) -> None:
        await self._backend.send(given)

    async def stop(self) -> None:
        await self._backend.stop()
        await self._models.settle()
        await self._models.aclose()


def session(
    form: Form,
    *,
    log: SessionLog | None = None,
    tell: Callable[[str], None] = lambda text: None,
) -> Session:
    """A conversation with an agent, in this process and without any network.

    Args:
        form: ``{"omni": {"model": id}}``, ``{"stt": …, "llm": …, "tts": …}``, or the name of a
            preset. A stage is the name of an engine, or a table as in a preset.
        log: Keeps the conversation once it is over.
        tell: Takes a few words while something is made that this machine lacks.

    Returns:
        A session to be used with ``async with``.

    Raises:
        SpecError: it is none of the forms, or names what is not there.
    """
    if path := step_model_of(form):
        return Session(StepBackend(load_object(path)()), log=log)
    spec = spec_of(form)
    marks = MarkList() if log is not None and log.keeps else None
    return Session(_WithModels(spec, marks, tell), spec=spec, marks=marks, log=log)
