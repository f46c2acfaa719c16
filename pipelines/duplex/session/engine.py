"""`DuplexEngine`: a duplex model in its child process, one session a request.

A session that is fed all its frames at once runs as fast as the model can: so its service time is
measured. Only numpy, the standard library and light modules of ours, because the interpreter may be
one of an engine environment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, TypeGuard

from pipelines.duplex.session.inbox import Inbox, UserFrame
from pipelines.duplex.session.model import (
    ConditionedSession,
    ContextEndError,
    DuplexModel,
    DuplexSession,
)
from pipelines.duplex.session.stages import PipelinedStages, SerialStages, Stages, is_staged
from pipelines.duplex.session.warmth import like_speech
from pipelines.duplex.session.wire import SESSION, Reply
from pipelines.heap import give_back
from pipelines.process.engine import Emit, EngineError, Request, imported

WARM_FRAMES = 4
SWITCH_INTERVAL_S = 0.0005
"""Switch interval of the GIL: with Python's default of 5 ms a frame would wait that long for a
thread that computes."""


class DuplexEngine:
    """Serves `pipelines.duplex.session.wire.SESSION`."""

    def __init__(
        self,
        *,
        adapter: str,
        options: Mapping[str, Any] | None = None,
        stages: Literal["auto", "serial", "pipelined"] = "auto",
    ) -> None:
        """Describes the model.

        Args:
            adapter: ``module:class`` of a `DuplexModel`.
            options: Keyword arguments of the class.
            stages: Whether decoding has a thread of its own; auto: where there are two cores.
        """
        self._adapter = adapter
        self._options = dict(options or {})
        self._stages = stages
        self._model: DuplexModel | None = None

    def load(self) -> None:
        """Imports the adapter and loads its weights.

        Raises:
            EngineError: a package is missing, or the weights can't be loaded.
        """
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        try:
            model: DuplexModel = imported(self._adapter)(**self._options)
            model.load()
        except ModuleNotFoundError as error:
            raise EngineError(
                f"the package {error.name!r} is not installed for {sys.executable}: "
                "run 'make setup', or build the engine's environment"
            ) from error
        self._model = model

    def warm_up(self) -> None:
        """Runs a few frames of a session without a listener."""
        with self._loaded.open() as session:
            try:
                for pcm in like_speech(WARM_FRAMES):
                    session.step(pcm)
            except ContextEndError:
                pass  # a model with such a short context is warm by now
        give_back()  # memory that loading needed

    def run(self, request: Request, emit: Emit) -> None:
        """Serves one session; see `pipelines.duplex.session.wire`.

        The request's header: ``seed``; ``greeting``, said before the first frame; ``queue_frames``,
        0 to drop nothing; ``context_end``, stop or reset.
        """
        if request.op != SESSION:
            raise EngineError(f"a duplex model serves {SESSION!r}, not {request.op!r}")
        header = request.header
        sessions = _Sessions(
            self._loaded,
            request,
            emit,
            seed=int(header.get("seed", 0)),
            greeting=str(header.get("greeting", "")),
            queue_frames=int(header.get("queue_frames", 0)),
            pipelined=self._pipelined(),
        )
        try:
            sessions.run(begin_anew=header.get("context_end") == "reset")
        finally:
            give_back()

    @property
    def _loaded(self) -> DuplexModel:
        assert self._model is not None, "load() comes first"
        return self._model

    def _pipelined(self) -> bool:
        if self._stages == "auto":
            return _cores() > 1
        return self._stages == "pipelined"


class _Sessions:
    """One request: a session, and perhaps another where its context ends."""

    def __init__(
        self,
        model: DuplexModel,
        request: Request,
        emit: Emit,
        *,
        seed: int,
        greeting: str,
        queue_frames: int,
        pipelined: bool,
    ) -> None:
        self._model = model
        self._request = request
        self._emit = emit
        self._seed = seed
        self._greeting = greeting
        self._pipelined = pipelined
        self._session: DuplexSession | None = None
        self._inbox = Inbox(
            request,
            self._answer,
            self._say,
            conditioned=self._condition,
            queue_frames=queue_frames,
        )

    def run(self, *, begin_anew: bool) -> None:
        """Serves the request to its end."""
        left = self._serve(None)
        while left is not None and begin_anew:
            refused = left
            left = self._serve(refused)
            if left is refused:
                raise EngineError("the model's context ends before its first frame")
        while left is not None:  # the rest has no listener
            self._answer(Reply(left.frame, context_end=True))
            left = self._inbox.next()

    def _serve(self, frame: UserFrame | None) -> UserFrame | None:
        """One session of the model, from ``frame`` (if any) on.

        Returns:
            The frame that the model's context had no more room for; None when all were served.
        """
        is_first = frame is None
        context_end = not is_first
        with self._model.open(self._seed) as self._session:
            if is_first and self._greeting:
                self._session.say(self._greeting)
            try:
                with self._stages(self._session) as stages:
                    while (frame := frame or self._inbox.next()) is not None:
                        stages.take(frame, context_end=context_end)
                        frame, context_end = None, False
            except ContextEndError:
                return frame
        return None

    def _stages(self, session: DuplexSession) -> Stages:
        if self._pipelined and is_staged(session):
            return PipelinedStages(session, self._answer, wake=self._request.cancel)
        return SerialStages(session, self._answer)

    def _answer(self, reply: Reply) -> None:
        if not self._model.capabilities.synchronous:
            reply = replace(reply, synchronous=False)
        self._emit(reply.header(), reply.pcm)

    def _say(self, text: str) -> None:
        """A text to be said; a model that can't say it is no reason to end the session."""
        try:
            if self._session is not None:
                self._session.say(text)
            self._emit({"said": text})
        except EngineError as error:
            self._emit({"said": text, "error": f"The model can't be made to say a text: {error}."})

    def _condition(self, text: str) -> None:
        """A text for the model's condition; one without a condition says so and goes on."""
        if self._session is not None and is_conditioned(self._session):
            self._session.condition_on(text)
            self._emit({"conditioned": text})
        else:
            self._emit({"conditioned": text, "error": "The model has no condition."})


def is_conditioned(session: DuplexSession) -> TypeGuard[ConditionedSession]:
    """True if a session has a condition."""
    return hasattr(session, "condition_on")


def _cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
