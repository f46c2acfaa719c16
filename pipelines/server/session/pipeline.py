"""A preset's Pipecat pipeline as the backend of a session: cascade, duplex, hosted or a bot."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from pipecat.frames.frames import (
    InterruptionFrame,
    LLMMessagesAppendFrame,
    LLMRunFrame,
    TTSSpeakFrame,
)
from pipecat.observers.base_observer import BaseObserver
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.workers.runner import WorkerRunner

from pipelines.clock import monotonic_ns
from pipelines.duplex.adapters import adapter_of
from pipelines.duplex.frames import ConditionFrame, TextRefusedError
from pipelines.engines.adapters import engine_row
from pipelines.engines.row import FUNCTIONS
from pipelines.errors import LabError
from pipelines.host import Host, Skills
from pipelines.link.observer import MarkObserver, RawMonotonicClock
from pipelines.link.stage_marks import StageObserver
from pipelines.link.transport import ChunkIn, ChunkOut, LinkTransport
from pipelines.marks import MarkSink, NoMarks
from pipelines.process.pool import ModelPool
from pipelines.registry import architecture, load_object
from pipelines.server.session.backend import Capabilities, Emit
from pipelines.server.session.events import (
    AudioIn,
    AudioOut,
    Command,
    Context,
    Event,
    Failure,
    Functions,
    Input,
    Interruption,
    Say,
    ToolCall,
    ToolOutput,
    UserText,
)
from pipelines.server.session.functions import ClientFunctions
from pipelines.server.session.states import SessionError
from pipelines.server.session.tap import SessionTap
from pipelines.server.session.unwatched import Unwatched
from pipelines.spec import PipelineSpec
from pipelines.watch.watcher import IntentWatcher

START_S = 30.0
"""Longest time for a pipeline to listen, its models being loaded, s."""
END_S = 5.0
"""Longest time for it to end, s."""


def capabilities_of(spec: PipelineSpec) -> Capabilities:
    """What a preset's pipeline can do."""
    inputs = ["audio", "interrupt"]
    if spec.kind == "cascade" and architecture(spec.architecture).build:
        inputs += ["text", "say", "context", "respond"]
        if calls_functions(spec):
            inputs += ["functions", "tool_result"]
    if spec.kind == "duplex":
        can = adapter_of(spec.stages["model"]).abilities
        inputs += [kind for ability, kind in _ABILITIES.items() if ability in can]
    return Capabilities(
        name=spec.name,
        in_rate_hz=spec.audio.in_rate_hz,
        out_rate_hz=spec.audio.out_rate_hz,
        modalities=spec.modalities,
        inputs=tuple(inputs),
        full_duplex=spec.kind == "duplex",
    )


def calls_functions(spec: PipelineSpec) -> bool:
    """Whether the language model of a cascade calls functions that a client offers."""
    if spec.architecture == "hosted":
        from pipelines.hosted.services import services_of

        return "llm" in services_of(spec)
    if spec.architecture != "cascade":
        return False
    return FUNCTIONS in engine_row("llm", spec.stages["llm"].engine).capabilities


class SessionWire:
    """The transport's other end, in this process; see `pipelines.link.transport.Wire`."""

    def __init__(self, marks: MarkSink) -> None:
        self.marks = marks
        self.opened = asyncio.Event()
        self.closed = asyncio.Event()
        self.emit: Emit = lambda event: None
        self.is_filler: Callable[[str], bool] = lambda context_id: False
        self._on_audio: Callable[[ChunkIn], None] = lambda chunk: None

    def hear(self, chunk: AudioIn) -> None:
        """Hands a chunk of the user's to the pipeline."""
        self._on_audio(ChunkIn(chunk.sequence, chunk.due_ns, chunk.pcm))

    def ready(self, rate_hz: int) -> None:
        """Nothing: `opened` says it."""

    def audio(self, chunk: ChunkOut) -> None:
        """Emits a chunk of the agent's."""
        self.emit(
            AudioOut(
                chunk.t_ns,
                chunk.seq,
                chunk.rate_hz,
                chunk.audio,
                is_filler=self.is_filler(chunk.context_id),
                generation=chunk.generation,
            )
        )

    def clear(self, generation: int, t_ns: int) -> None:
        """Emits an interruption."""
        self.emit(Interruption(t_ns, generation))

    async def listen(self, on_audio: Callable[[ChunkIn], None]) -> None:
        """Takes the user's chunks until the conversation is over."""
        self._on_audio = on_audio
        await self.closed.wait()


class PipelineBackend:
    """One conversation with a preset.

    Args:
        spec: The preset; not one that sees labels, or whose agent is elsewhere.
        models: Warm model processes; they outlive the conversation.
        marks: Takes the pipeline's marks; None: nobody keeps them.
        name: Of the conversation.
        skills: Functions for its language model.
        before_answer: Processors to stand before a cascade's language model.
    """

    def __init__(
        self,
        spec: PipelineSpec,
        models: ModelPool,
        marks: MarkSink | None,
        name: str = "",
        skills: Skills | None = None,
        before_answer: Sequence[FrameProcessor] = (),
    ) -> None:
        self.capabilities = capabilities_of(spec)
        self._spec = spec
        self._models = models
        self._marks = marks if marks is not None else NoMarks()
        self._marked = marks is not None
        self._name = name
        self._skills = skills
        self._before_answer = before_answer
        self._wire = SessionWire(self._marks)
        self._tap = SessionTap(self._emit)
        self._functions = ClientFunctions()
        self._say: Emit | None = None
        self._worker: PipelineWorker | None = None
        self._runner: WorkerRunner | None = None
        self._running: asyncio.Task[Any] | None = None

    async def start(self, emit: Emit) -> None:
        """Builds the pipeline and waits until it listens.

        Raises:
            LabError: it can't be built, or does not listen in time.
        """
        self._say = emit
        self._wire.emit = self._emit
        self._wire.is_filler = self._tap.fillers.__contains__
        how = architecture(self._spec.architecture)
        try:
            if how.prepare:
                await load_object(how.prepare)(self._spec, self._models)
            self._running = asyncio.create_task(await self._pipeline())
        except LabError:
            raise
        except Exception as error:  # whatever a pipeline's builder may raise
            raise LabError(_told(self._spec, error)) from error
        opened = asyncio.create_task(self._wire.opened.wait())
        await asyncio.wait(
            {self._running, opened}, timeout=START_S, return_when=asyncio.FIRST_COMPLETED
        )
        opened.cancel()
        if not self._wire.opened.is_set():
            why = f"does not listen after {START_S:.0f} s"
            if self._running.done():
                raised = self._running.exception()
                why = str(raised) if raised else "ended before it listened"
            await self.stop()
            raise LabError(f"{self._spec.name}: {why}.")
        self._running.add_done_callback(self._ended)

    def push(self, chunk: AudioIn) -> None:
        """Puts a chunk into the pipeline."""
        self._wire.hear(chunk)

    async def send(self, given: Input) -> None:
        """Takes an input that is no audio.

        Raises:
            SessionError: this preset takes none of this kind.
        """
        kind = given.name if isinstance(given, Command) else _KINDS[type(given)]
        if kind == "context" and "condition" in self.capabilities.inputs:
            kind = "condition"
        if kind not in self.capabilities.inputs or self._worker is None:
            takes = ", ".join(self.capabilities.inputs)
            raise SessionError(f"{self._spec.name} takes no {kind}: it takes {takes}.")
        frame: Any
        if isinstance(given, ToolOutput):
            frame = self._functions.give(given)
        elif isinstance(given, Functions):
            frame = self._functions.offer(given.functions, self._skills)
        elif isinstance(given, Context) and kind == "condition":
            frame = ConditionFrame(given.summary)
        else:
            frame = _frame(given)
        if frame is not None:
            await self._worker.queue_frame(frame)

    async def stop(self) -> None:
        """Ends the pipeline, and lets its models come to rest."""
        self._say = None
        self._wire.closed.set()
        if self._runner is not None:
            await self._runner.cancel()
        if self._running is not None:
            done, _ = await asyncio.wait({self._running}, timeout=END_S)
            if not done:
                self._running.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await self._running
            elif not self._running.cancelled():
                self._running.exception()  # seen: `_ended` has said it
        self._running = self._runner = self._worker = None

    # inside

    def _emit(self, event: Event) -> None:
        if isinstance(event, ToolCall) and self._functions.called(event):
            event = replace(event, answered_here=False)
        if self._say is not None:
            self._say(event)

    def _host(self) -> Host:
        return Host(
            self._spec,
            LinkTransport(self._wire, self._spec.audio),
            self._marks,
            self._models,
            trial_id=self._name,
            before_answer=self._before_answer,
            closed=self._wire.closed,
            open_transport=lambda params: LinkTransport(self._wire, self._spec.audio, params),
            skills=self._skills,
            watch=self._watch_guest,
        )

    async def _pipeline(self) -> Any:
        """A coroutine that runs the preset's pipeline until it is stopped."""
        how = architecture(self._spec.architecture)
        host = self._host()
        if how.converse:
            return self._converse(load_object(how.converse)(host))
        pipeline = await load_object(how.build)(host)
        observers: list[BaseObserver] = [self._tap]
        if self._marked:
            stamps = MarkObserver if how.stamps else StageObserver
            observers.insert(0, stamps(self._marks))
        self._worker = PipelineWorker(
            Unwatched([pipeline]),
            params=PipelineParams(
                audio_in_sample_rate=self._spec.audio.in_rate_hz,
                audio_out_sample_rate=self._spec.audio.out_rate_hz,
                enable_metrics=True,
                enable_usage_metrics=True,
            ),
            observers=observers,
            enable_turn_tracking=False,
            clock=RawMonotonicClock(),
            enable_rtvi=False,
            idle_timeout_secs=None,
        )
        self._take_errors(self._worker, survives=False)
        self._runner = WorkerRunner(handle_sigint=False, handle_sigterm=False)
        await self._runner.add_workers(self._worker)
        return self._runner.run()

    async def _converse(self, playing: Any) -> None:
        """A conversation with a pipeline that others wrote."""
        fault = await playing
        if fault:
            raise LabError(str(fault))

    def _watch_guest(self, worker: Any) -> None:
        """Observers for a worker that others made."""
        for observer in (StageObserver(self._marks), self._tap):
            worker.add_observer(observer)
        self._worker = worker
        self._take_errors(worker, survives=True)

    def _take_errors(self, worker: Any, *, survives: bool) -> None:
        """Errors in a pipeline of ours end the conversation; others' may go on."""

        async def on_error(_worker: object, frame: Any) -> None:
            if self._wire.closed.is_set():
                return
            beside = isinstance(frame.processor, IntentWatcher)  # the voice goes on without it
            refused = isinstance(frame.exception, TextRefusedError)
            fatal = bool(frame.fatal) or not (survives or beside or refused)
            self._emit(Failure(monotonic_ns(), str(frame.error), fatal))

        worker.add_event_handler("on_pipeline_error", on_error)

    def _ended(self, running: asyncio.Task[Any]) -> None:
        """The pipeline has ended; by itself, where nobody has stopped it."""
        if self._wire.closed.is_set() or running.cancelled():
            return
        error = running.exception()
        why = str(error) if isinstance(error, LabError) else _told(self._spec, error)
        self._emit(Failure(monotonic_ns(), why, fatal=True))


_ABILITIES = {"forced_text": "say", "sum_condition": "condition"}
"""Ability of a duplex model → the input that it takes."""
_KINDS = {
    UserText: "text",
    Say: "say",
    Context: "context",
    Functions: "functions",
    ToolOutput: "tool_result",
}


def _frame(given: Input) -> Any:
    """The frame of an input."""
    if isinstance(given, UserText):
        message: Any = {"role": "user", "content": given.text}
        return LLMMessagesAppendFrame([message], run_llm=True)
    if isinstance(given, Context):
        message = {"role": "developer", "content": given.summary}
        return LLMMessagesAppendFrame([message], run_llm=False)
    if isinstance(given, Say):
        frame = TTSSpeakFrame(given.text)
        if given.is_filler:
            frame.is_filler = True  # type: ignore[attr-defined]
            frame.append_to_context = False
        return frame
    if isinstance(given, Command) and given.name == "respond":
        return LLMRunFrame()
    return InterruptionFrame()


def _told(spec: PipelineSpec, error: BaseException | None) -> str:
    """An error of a pipeline's code, in a sentence."""
    if error is None:
        return f"{spec.name}: the pipeline ended by itself."
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{spec.name}: {type(error).__name__}: {error} ({frame.name}, line {frame.lineno})."
