"""`Session`: one conversation, whatever answers in it and whatever wire it comes by.

::

    async with session("cascade-embedded") as talk:
        talk.push(pcm)                      # int16, mono, at talk.in_rate_hz
        async for event in talk.events():   # until Closed
            ...
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from pipelines.clock import NS_PER_MS, NS_PER_S, Clock, monotonic_ns, samples_to_ns
from pipelines.errors import LabError
from pipelines.marks import MarkList
from pipelines.secrets import redact
from pipelines.server.session.backend import Backend, Capabilities
from pipelines.server.session.events import (
    AudioIn,
    AudioOut,
    Closed,
    Context,
    Control,
    Event,
    Failure,
    Input,
    Interruption,
    Memory,
    TurnEnd,
)
from pipelines.server.session.first_audio import FirstAudio, is_audible
from pipelines.server.session.log import Conversation, NoLog, SessionLog, Tape
from pipelines.server.session.states import OPEN, SessionError, State, checked
from pipelines.spec import PipelineSpec

MOST_WAITING, MOST_WAITING_NS = 2_000, 30 * NS_PER_S
"""Events, and audio, that may wait for a reader; one that lets more wait is taken to be gone."""
QUIET_MS = 300
"""Silence after which the agent's turn is over, ms: longer than a pause within a word."""
MOST_LOGGED = 20_000
"""Events of a conversation that are kept for its log."""
_numbers = itertools.count(1)


class Session:
    """One conversation.

    Args:
        backend: What answers.
        spec: The preset behind it, for the log.
        marks: The marks that the backend stamps, for the log; None: it stamps none.
        log: Keeps the conversation once it is over.
        door: The protocol by which it came.
        clock: The machine's clock.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        spec: PipelineSpec | None = None,
        marks: MarkList | None = None,
        log: SessionLog | None = None,
        door: str = "code",
        clock: Clock = monotonic_ns,
    ) -> None:
        self.name = f"{door}-{next(_numbers)}"
        """Unique in this process."""
        self.state: State = "idle"
        self.door = door
        self._backend = backend
        self._spec = spec
        self._marks = marks or MarkList()
        self._log: SessionLog = log or NoLog()
        self._clock = clock
        self._waiting: deque[Event] = deque()
        self._waiting_ns = 0
        """Length of the audio that waits."""
        self._news = asyncio.Event()
        self.over = asyncio.Event()
        """Set once the conversation is closed."""
        self._chunks = 0
        self._first = FirstAudio()
        self._heard_until_ns = 0
        """End of the agent's audible audio, as it is played one chunk behind the other."""
        self._queue_end_ns = 0
        self._quiet: asyncio.TimerHandle | None = None
        self._tape: Tape | None = None
        self._kept: list[Event] = []
        self._started_utc = ""
        self._reason = ""
        self._failed = False
        self._ending: asyncio.Task[None] | None = None

    @property
    def capabilities(self) -> Capabilities:
        """What the backend can do."""
        return self._backend.capabilities

    @property
    def in_rate_hz(self) -> int:
        """Rate of the audio that it takes."""
        return self._backend.capabilities.in_rate_hz

    @property
    def out_rate_hz(self) -> int:
        """Rate of the audio that it gives."""
        return self._backend.capabilities.out_rate_hz

    @property
    def failed(self) -> bool:
        """Whether an error ended it."""
        return self._failed

    @property
    def waiting(self) -> int:
        """Events that wait for their reader."""
        return len(self._waiting)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Gets the backend ready; then the session listens.

        Raises:
            LabError: it can't be started; the session is closed.
        """
        self._turn("starting")
        self._started_utc = datetime.now(UTC).isoformat(timespec="milliseconds")
        if self._log.keeps:
            self._tape = Tape(self.in_rate_hz, self.out_rate_hz, self._clock())
        try:
            await self._backend.start(self._take)
        except LabError as error:
            self._failed = True
            await self.stop(redact(str(error)))
            raise
        if self.state == "starting":
            self._turn("listening")

    def push(self, pcm: bytes, due_ns: int | None = None) -> None:
        """Takes a chunk of the user's audio, of any length; dropped once the session drains.

        Args:
            pcm: (n,) int16, mono, at `in_rate_hz`.
            due_ns: When its last sample was spoken; None: now.

        Raises:
            SessionError: the session has not started, or half a sample came.
        """
        if self.state in ("idle", "starting"):
            raise SessionError(f"a session that is {self.state} can't hear yet: start it first.")
        if len(pcm) % 2:
            raise SessionError(f"{len(pcm)} bytes are no whole number of int16 samples.")
        if self.state not in OPEN or not pcm:
            return
        chunk = AudioIn(self._chunks, self._clock() if due_ns is None else due_ns, pcm)
        self._chunks += 1
        if self._tape is not None:
            self._tape.hear_user(chunk)
        self._backend.push(chunk)

    async def send(self, given: Input) -> None:
        """Takes an input that is no audio.

        Raises:
            SessionError: the session is not open, or its backend takes none of this kind.
        """
        if self.state not in OPEN:
            raise SessionError(f"a session that is {self.state} takes no input.")
        await self._backend.send(given)
        if isinstance(given, Context):
            self._take(Memory(self._clock(), (given.summary,)))

    async def events(self) -> AsyncIterator[Event]:
        """All events, up to `Closed`; one reader at a time."""
        while True:
            while self._waiting:
                event = self._waiting.popleft()
                self._waiting_ns -= _length_ns(event)
                yield event
                if isinstance(event, Closed):
                    return
            self._news.clear()
            await self._news.wait()

    def take_events(self) -> list[Event]:
        """All events that wait, in place of `events`, for a reader that comes now and then."""
        taken = list(self._waiting)
        self._drop_waiting()
        self._news.clear()
        return taken

    async def wait_for_event(self) -> None:
        """Waits until an event waits."""
        if not self._waiting:
            self._news.clear()
            await self._news.wait()

    async def stop(self, reason: str = "", grace_s: float = 0.0) -> None:
        """Drains and closes; safe to call twice.

        Args:
            reason: Why, one sentence; empty: it was asked to.
            grace_s: Longest time for the agent to finish what it is saying, s.
        """
        if self._ending is None:
            self._reason = self._reason or reason
            self._ending = asyncio.create_task(self._end(grace_s))
        await asyncio.shield(self._ending)

    # inside

    async def _end(self, grace_s: float) -> None:
        speaking = self.state == "speaking"
        if self.state not in ("idle", "closed"):
            self._turn("draining")
        if speaking and grace_s > 0:
            left_s = (self._heard_until_ns - self._clock()) / NS_PER_S
            end_s = asyncio.get_running_loop().time() + grace_s
            while left_s > 0 and asyncio.get_running_loop().time() < end_s:
                await asyncio.sleep(min(left_s, 0.1))
                left_s = (self._heard_until_ns - self._clock()) / NS_PER_S
        await self._backend.stop()
        if self._quiet is not None:
            self._quiet.cancel()
        if self._tape is not None and self._spec is not None and self._started_utc:
            try:
                await asyncio.to_thread(self._log.keep, self._conversation(self._tape, self._spec))
            except LabError as error:
                self._put(Failure(self._clock(), redact(str(error))))
        self._turn("closed")
        self._put(Closed(self._clock(), self._reason))
        self.over.set()

    def _conversation(self, tape: Tape, spec: PipelineSpec) -> Conversation:
        return Conversation(
            name=self.name,
            spec=spec,
            door=self.door,
            started_utc=self._started_utc,
            t0_ns=tape.t0_ns,
            rate_hz=tape.out_rate_hz,
            stereo=tape.stereo(),
            marks=tuple(self._marks.marks),
            events=tuple(self._kept),
            reason=self._reason,
            failed=self._failed,
        )

    def _turn(self, state: State) -> None:
        self.state = checked(self.state, state)
        self._put(Control(self._clock(), "state", state))

    def _put(self, event: Event) -> None:
        if self.over.is_set():
            return
        too_much = len(self._waiting) >= MOST_WAITING or self._waiting_ns >= MOST_WAITING_NS
        if too_much and not isinstance(event, Closed):
            self._drop_waiting()
            self._fail("whoever reads the session's events did not keep up.")
            return
        if self._log.keeps and not isinstance(event, AudioOut) and len(self._kept) < MOST_LOGGED:
            self._kept.append(event)
        self._waiting.append(event)
        self._waiting_ns += _length_ns(event)
        self._news.set()

    def _drop_waiting(self) -> None:
        self._waiting.clear()
        self._waiting_ns = 0

    def _fail(self, reason: str) -> None:
        """Ends the session by an error."""
        self._failed = True
        if self._ending is None:
            self._reason = self._reason or reason
            self._ending = asyncio.create_task(self._end(0.0))

    def _take(self, event: Event) -> None:
        """Takes an event of the backend's."""
        if isinstance(event, AudioOut):
            self._audio(event)
            return
        if isinstance(event, Interruption):
            self._interrupted(event)
            return
        if isinstance(event, Control) and event.name == "user_speaking":
            if event.value == "true":
                self._first.user_started()
            else:
                self._first.user_stopped(event.t_ns)
        elif isinstance(event, Failure):
            event = Failure(event.t_ns, redact(event.message), event.fatal)
        self._put(event)
        if isinstance(event, Failure) and event.fatal:
            self._fail(event.message)

    def _audio(self, chunk: AudioOut) -> None:
        if self._tape is not None:
            self._tape.hear_agent(chunk)
        start_ns = max(chunk.t_ns, self._queue_end_ns)
        self._queue_end_ns = start_ns + samples_to_ns(chunk.samples, chunk.rate_hz)
        latency = None
        if is_audible(chunk.pcm):
            self._heard_until_ns = self._queue_end_ns
            latency = self._first.hear(chunk)
            if self.state == "listening":
                self._turn("speaking")
            if self._quiet is None:
                self._watch_for_quiet()
        self._put(chunk)
        if latency is not None:
            self._put(latency)

    def _interrupted(self, event: Interruption) -> None:
        if self._tape is not None:
            self._tape.clear(event.t_ns)
        event = replace(event, spoke=self._heard_until_ns > event.t_ns)
        self._queue_end_ns = min(self._queue_end_ns, event.t_ns)
        self._heard_until_ns = min(self._heard_until_ns, event.t_ns)
        self._put(event)
        if self.state == "speaking":
            self._put(TurnEnd(event.t_ns, "agent"))
            self._turn("listening")

    def _watch_for_quiet(self) -> None:
        """Looks again when the agent's turn would be over, if nothing more is said."""
        wait_s = (self._heard_until_ns + QUIET_MS * NS_PER_MS - self._clock()) / NS_PER_S
        loop = asyncio.get_running_loop()
        self._quiet = loop.call_later(max(0.0, wait_s), self._is_quiet)

    def _is_quiet(self) -> None:
        self._quiet = None
        if self.state not in OPEN:
            return
        if self._clock() < self._heard_until_ns + QUIET_MS * NS_PER_MS:
            self._watch_for_quiet()
        elif self.state == "speaking":
            self._put(TurnEnd(self._heard_until_ns, "agent"))
            self._turn("listening")


def _length_ns(event: Event) -> int:
    """Length of an event's audio."""
    return samples_to_ns(event.samples, event.rate_hz) if isinstance(event, AudioOut) else 0
