"""Step models as backends: one frame of audio in, what comes of it out.

A model of this kind computes in the caller's own time: `StepBackend` cuts the user's audio into its
frames, steps it on a thread, and emits what each step gave.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from pipelines.clock import Clock, monotonic_ns
from pipelines.server.session.backend import Capabilities, Emit
from pipelines.server.session.events import (
    AssistantPartial,
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
from pipelines.server.session.states import SessionError


@dataclass(frozen=True, slots=True)
class StepAudio:
    """Audio that a step gave."""

    pcm: bytes
    is_filler: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """What came of one frame."""

    audio: Sequence[StepAudio] = ()
    text: str = ""
    calls: Sequence[ToolCall] = ()
    """Their times are set by the backend."""
    interrupts: bool = False
    """True if what was said before is to be dropped unheard."""


@dataclass(frozen=True, slots=True)
class Injected:
    """An input that is no audio, for the model's next step."""

    given: Input
    kind: str


class StepModel(Protocol):
    """One conversation's model; its methods are called one after the other, on one thread."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""

    @property
    def frame_samples(self) -> int:
        """Samples of a frame at its input rate."""

    def begin(self) -> None:
        """Opens the conversation."""

    def step(self, pcm: bytes) -> Step:
        """Takes one frame of (frame_samples,) int16."""

    def inject(self, given: Input) -> Step:
        """Takes an input that is no audio."""

    def end(self) -> None:
        """Closes the conversation."""


_KINDS = {
    UserText: "text",
    Say: "say",
    Context: "context",
    Functions: "functions",
    ToolOutput: "tool_result",
}


@dataclass(slots=True)
class StepBackend:
    """A step model as the backend of a session."""

    model: StepModel
    clock: Clock = monotonic_ns
    _emit: Emit | None = None
    _inbox: asyncio.Queue[bytes | Input] = field(default_factory=asyncio.Queue)
    _rest: bytearray = field(default_factory=bytearray)
    _task: asyncio.Task[None] | None = None
    _sequence: int = 0
    _generation: int = 0

    @property
    def capabilities(self) -> Capabilities:
        """The model's."""
        return self.model.capabilities

    async def start(self, emit: Emit) -> None:
        """Opens the model's conversation."""
        self._emit = emit
        await asyncio.to_thread(self.model.begin)
        self._task = asyncio.create_task(self._run())

    def push(self, chunk: AudioIn) -> None:
        """Queues every frame that the chunk completes."""
        self._rest += chunk.pcm
        size = 2 * self.model.frame_samples
        while len(self._rest) >= size:
            self._inbox.put_nowait(bytes(self._rest[:size]))
            del self._rest[:size]

    async def send(self, given: Input) -> None:
        """Queues an input that is no audio.

        Raises:
            SessionError: the model takes none of this kind.
        """
        kind = given.name if isinstance(given, Command) else _KINDS[type(given)]
        if kind not in self.capabilities.inputs:
            takes = ", ".join(self.capabilities.inputs)
            raise SessionError(f"{self.capabilities.name} takes no {kind}: it takes {takes}.")
        self._inbox.put_nowait(given)

    async def stop(self) -> None:
        """Closes the model's conversation, once the step at work is done."""
        self._emit = None
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            await asyncio.to_thread(self.model.end)

    async def _run(self) -> None:
        try:
            while True:
                given = await self._inbox.get()
                work = self.model.step if isinstance(given, bytes) else self.model.inject
                # Shielded: a step that has begun ends before the conversation is closed.
                step = asyncio.ensure_future(asyncio.to_thread(work, given))  # type: ignore[arg-type]
                try:
                    self._say(await asyncio.shield(step))
                except asyncio.CancelledError:
                    with contextlib.suppress(Exception):
                        await step
                    raise
        except Exception as error:  # whatever a model may raise ends its conversation
            said = f"{self.capabilities.name} failed: {type(error).__name__}: {error}."
            self._tell(Failure(self.clock(), said, fatal=True))

    def _say(self, step: Step) -> None:
        now_ns = self.clock()
        if step.interrupts:
            self._generation += 1
            self._tell(Interruption(now_ns, self._generation))
        if step.text:
            self._tell(AssistantPartial(now_ns, step.text))
        for left, call in zip(range(len(step.calls))[::-1], step.calls, strict=True):
            self._tell(replace(call, t_ns=now_ns, goes_on=left > 0))
        for audio in step.audio:
            self._tell(
                AudioOut(
                    now_ns,
                    self._sequence,
                    self.capabilities.out_rate_hz,
                    audio.pcm,
                    is_filler=audio.is_filler,
                    generation=self._generation,
                )
            )
            self._sequence += 1

    def _tell(self, event: Event) -> None:
        if self._emit is not None:
            self._emit(event)
