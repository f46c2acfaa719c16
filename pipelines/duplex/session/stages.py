"""The work on one frame, one stage after the other or overlapped.

`SerialStages` does all of a frame before it takes the next. `PipelinedStages` gives decoding a
thread of its own, so that frame t is decoded while t+1 is encoded and stepped; encoding and the
language model stay on the one thread that calls. Both give the same samples.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeGuard

from pipelines.clock import Clock, monotonic_ns
from pipelines.duplex.session.inbox import UserFrame
from pipelines.duplex.session.model import Advance, DuplexSession, StagedSession, Step
from pipelines.duplex.session.wire import Reply, pcm_to_bytes
from pipelines.marks import EventName
from pipelines.process.engine import RequestCancelled

Answer = Callable[[Reply], None]

QUEUED_FRAMES = 2
"""Number of frames that may wait to be decoded. A decoder slower than the language model blocks it,
so that the waiting is counted where it belongs: before the model."""


class TimedSession(DuplexSession, Protocol):
    """A session with a timetable, which must know which frames have waited for it."""

    def expect(self, *, waited: bool) -> None:
        """Called before each frame; ``waited``: it had arrived when the last one was done."""


def is_staged(session: DuplexSession) -> TypeGuard[StagedSession]:
    """True if a session's three stages can be called one by one."""
    return all(hasattr(session, name) for name in ("encode", "advance", "decode"))


class SerialStages:
    """All of a frame's work on the calling thread."""

    def __init__(
        self, session: DuplexSession, answer: Answer, *, clock: Clock = monotonic_ns
    ) -> None:
        self._session = session
        self._answer = answer
        self._clock = clock
        self._expect = getattr(session, "expect", None)  # see `TimedSession`

    def __enter__(self) -> SerialStages:
        return self

    def __exit__(self, *_: object) -> None:
        """Does nothing: no work is left."""

    def take(self, frame: UserFrame, *, context_end: bool = False) -> None:
        """Works on a frame, and answers it.

        Raises:
            ContextEndError: the model's context is full; the frame was not answered.
        """
        session, clock = self._session, self._clock
        if is_staged(session):
            work = _advance(session, frame, context_end, clock)
            self._answer(_decode(session, work, clock))
            return
        if self._expect is not None:
            self._expect(waited=frame.waited)
        stamps: dict[EventName, int] = {"ready": frame.ready_ns, "start": clock()}
        step = session.step(frame.pcm)
        stamps |= _stamps_of(step)
        stamps["done"] = clock()
        self._answer(
            Reply(
                frame.frame,
                stamps,
                text=step.text,
                token=step.ids[0] if step.ids else None,
                codes=step.ids[1:],
                forced=step.forced,
                unsaid_ms=step.unsaid_ms,
                context_end=context_end,
                pcm=pcm_to_bytes(step.pcm) if step.pcm is not None else b"",
            )
        )


@dataclass(frozen=True, slots=True)
class _Work:
    """A frame on its way from the language model to the decoder."""

    frame: int
    stamps: dict[EventName, int]
    advance: Advance
    context_end: bool


class PipelinedStages:
    """Decoding on a thread of its own."""

    def __init__(
        self,
        session: StagedSession,
        answer: Answer,
        *,
        wake: Callable[[], None],
        clock: Clock = monotonic_ns,
    ) -> None:
        """Makes the stages of one session.

        Args:
            session: Its ``decode`` is called from the other thread.
            answer: Called from the other thread.
            wake: Wakes the calling thread where it waits for a frame, because decoding failed.
            clock: Stamps.
        """
        self._session = session
        self._answer = answer
        self._wake = wake
        self._clock = clock
        self._queue: queue.Queue[_Work | None] = queue.Queue(QUEUED_FRAMES)
        self._error: BaseException | None = None
        self._abandoned = False
        self._thread = threading.Thread(target=self._run, name="decoder", daemon=True)

    def __enter__(self) -> PipelinedStages:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        # Cancelled work is not worth any more time.
        self._abandoned = kind is not None and issubclass(kind, RequestCancelled)
        self._queue.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def take(self, frame: UserFrame, *, context_end: bool = False) -> None:
        """Works on a frame until only decoding is left; it is answered later, in order.

        Raises:
            ContextEndError: the model's context is full; the frame was not answered.
        """
        self._queue.put(_advance(self._session, frame, context_end, self._clock))

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            if self._error is not None or self._abandoned:
                continue  # the other thread may wait for room in the queue
            try:
                self._answer(_decode(self._session, work, self._clock))
            except BaseException as error:
                self._error = error
                self._wake()


Stages = SerialStages | PipelinedStages
"""The two ways to work on a session's frames; context managers, left when all are answered."""


def _advance(session: StagedSession, frame: UserFrame, context_end: bool, clock: Clock) -> _Work:
    stamps: dict[EventName, int] = {"ready": frame.ready_ns, "start": clock()}
    codes = session.encode(frame.pcm)
    stamps["encoded"] = clock()
    advance = session.advance(codes)
    if advance.depth_start_ns is not None:
        stamps["depth_start"] = advance.depth_start_ns
    stamps["stepped"] = clock()
    return _Work(frame.frame, stamps, advance, context_end)


def _decode(session: StagedSession, work: _Work, clock: Clock) -> Reply:
    advance, stamps, pcm = work.advance, work.stamps, b""
    if advance.codes is not None:
        stamps["decode_start"] = clock()
        pcm = pcm_to_bytes(session.decode(advance.codes))
    stamps["done"] = clock()
    return Reply(
        work.frame,
        stamps,
        text=advance.text,
        token=advance.ids[0] if advance.ids else None,
        codes=advance.ids[1:],
        forced=advance.forced,
        context_end=work.context_end,
        pcm=pcm,
    )


def _stamps_of(step: Step) -> dict[EventName, int]:
    """The stage times of a session that can't be taken apart, as it reports them."""
    stamps: dict[EventName, int] = {}
    if "step" in step.spans:
        stamps["encoded"], stamps["stepped"] = step.spans["step"]
    elif "encode" in step.spans:
        stamps["encoded"] = step.spans["encode"][1]
    if "decode" in step.spans:
        stamps["decode_start"] = step.spans["decode"][0]
    return stamps
