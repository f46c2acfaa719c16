"""The tap: an observer of a pipeline that feeds its face. It reads frames and changes none.

Pipecat hands observers their frames from a queue of their own, beside the pipeline: whatever the
face does, no frame waits for it; a test checks that.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
from pipecat.frames.frames import (
    BotStartedSpeakingFrame,
    BotStoppedSpeakingFrame,
    ErrorFrame,
    Frame,
    FunctionCallCancelFrame,
    FunctionCallInProgressFrame,
    FunctionCallResultFrame,
    InputAudioRawFrame,
    InterruptionFrame,
    LLMTextFrame,
    OutputAudioRawFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    UserStoppedSpeakingFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.observers.base_observer import BaseObserver, FramePushed
from pipecat.transports.base_output import BaseOutputTransport

from pipelines.clock import NS_PER_MS, Clock, monotonic_ns
from pipelines.face.feed import AGENT, USER, Feed, SocketFeed, audio_message
from pipelines.face.messages import FaceMessage, encode
from pipelines.face.states import TABLE, FaceEvent, read_policy
from pipelines.face.track import FaceTrack
from pipelines.face.visemes import Phone
from pipelines.host import Host
from pipelines.phones import PHONES, PHONES_AT
from pipelines.watch.frames import (
    PhysicalTaskCancelledFrame,
    PhysicalTaskFrame,
    PhysicalTaskPlannedFrame,
)

EVENTS: dict[type[Frame], FaceEvent] = {
    VADUserStartedSpeakingFrame: "user_started",
    UserStoppedSpeakingFrame: "user_stopped",
    BotStartedSpeakingFrame: "agent_started",
    BotStoppedSpeakingFrame: "agent_stopped",
    InterruptionFrame: "interrupted",
    ErrorFrame: "error",
}
"""Frame → its event for the state machine."""
TASK_BEGINS: dict[type[Frame], str] = {
    FunctionCallInProgressFrame: "tool_call_id",
    PhysicalTaskFrame: "call_id",
}
"""Frame that begins a task → its field with the task's id: a language model's function call, or a
call of the intent watcher."""
TASK_ENDS: dict[type[Frame], str] = {
    FunctionCallResultFrame: "tool_call_id",
    FunctionCallCancelFrame: "tool_call_id",
    PhysicalTaskCancelledFrame: "call_id",
    PhysicalTaskPlannedFrame: "call_id",
}
"""Frame that ends one → the same field. A watcher's task ends with its plan: this package has no
body that would go on. Without a reasoner nothing ends it, and its state lasts as long as the table
says."""
TICK_S = 0.1
QUIET_PEAK = 60
"""Peak (int16) below which a user's chunk is silence and is not sent to the page."""
HEARD_NOTHING_MS = 3000.0
"""Time after the user's end without a transcript or an answer, after which nothing was
understood."""


class FaceTap(BaseObserver):
    """Turns the frames of a pipeline into face messages."""

    def __init__(
        self, track: FaceTrack, feed: Feed, *, audio: bool = True, clock: Clock = monotonic_ns
    ) -> None:
        """Makes the tap; ``audio`` is true if the page plays both voices itself."""
        super().__init__(observe_every_push=False)
        self._track = track
        self._feed = feed
        self._audio = audio
        self._clock = clock
        self._answer = ""
        self._user_at = 0
        self._agent_at = 0
        self._asked_ms: float | None = None
        self._tasks: set[str] = set()

    async def on_push_frame(self, data: FramePushed) -> None:
        """Handles a frame's first push."""
        frame, t_ms = data.frame, data.timestamp / NS_PER_MS
        if isinstance(frame, InputAudioRawFrame):
            self._hear_user(frame)
        elif isinstance(frame, OutputAudioRawFrame):
            if isinstance(data.source, BaseOutputTransport):
                self._hear_agent(frame)
            elif isinstance(frame, TTSAudioRawFrame):
                self._made(frame)
        elif event := EVENTS.get(type(frame)):
            self._event(event, t_ms)
            if event == "user_started":
                self._tell(self._track.user(True))
        elif isinstance(frame, VADUserStoppedSpeakingFrame):
            self._tell(self._track.user(False))
        elif key := TASK_BEGINS.get(type(frame)):
            self._tasks.add(getattr(frame, key))
            self._event("task_started", t_ms)
        elif key := TASK_ENDS.get(type(frame)):
            self._task_ended(getattr(frame, key), t_ms)
        elif isinstance(frame, TranscriptionFrame):
            self._asked_ms = None
            self._words("you", frame.text)
        elif isinstance(frame, LLMTextFrame):
            self._say(frame.text, t_ms)

    async def run(self) -> None:
        """Lets the states' time pass."""
        while True:
            await asyncio.sleep(TICK_S)
            t_ms = self._clock() / NS_PER_MS
            self._tell(self._track.tick(t_ms))
            if self._asked_ms is not None and t_ms > self._asked_ms + HEARD_NOTHING_MS:
                self._event("heard_nothing", t_ms)

    def _event(self, event: FaceEvent, t_ms: float) -> None:
        if event == "user_stopped":
            self._asked_ms, self._answer = t_ms, ""
        elif event in ("user_started", "agent_started", "heard_nothing"):
            self._asked_ms = None
        elif event == "interrupted" and self._track.speaking:
            self._put(type="clear")
        self._tell(self._track.event(event, t_ms))

    def _task_ended(self, task: str, t_ms: float) -> None:
        """Of several tasks the last one counts: the face acts until all are over."""
        self._tasks.discard(task)
        if not self._tasks:
            self._event("task_done", t_ms)

    def _hear_user(self, frame: InputAudioRawFrame) -> None:
        samples = len(frame.audio) // 2
        pcm = np.frombuffer(frame.audio, np.int16)
        if self._audio and samples and int(np.max(np.abs(pcm.astype(np.int32)))) >= QUIET_PEAK:
            message = audio_message(USER, frame.sample_rate, self._user_at, frame.audio)
            self._feed.put(message)
        self._user_at += samples

    def _hear_agent(self, frame: OutputAudioRawFrame) -> None:
        if self._audio:
            self._feed.put(
                audio_message(AGENT, frame.sample_rate, self._agent_at, bytes(frame.audio))
            )
        self._agent_at += len(frame.audio) // 2
        self._tell(self._track.audio(bytes(frame.audio), frame.sample_rate))

    def _made(self, frame: TTSAudioRawFrame) -> None:
        phones = [Phone(*row) for row in frame.metadata.get(PHONES, [])]
        at_ms = float(frame.metadata.get(PHONES_AT, 0.0))
        self._track.phones(phones, len(frame.audio) // 2, at_ms, frame.sample_rate)

    def _say(self, text: str, t_ms: float) -> None:
        known = self._track.policy.event_of(self._answer)
        self._answer += text
        self._words("creature", self._answer)
        if known is None:  # the definition of an answer is in one place
            self._tell(self._track.said(self._answer, t_ms))

    def _words(self, who: str, text: str) -> None:
        self._put(type="words", who=who, text=text)

    def _put(self, **message: Any) -> None:
        self._feed.put(json.dumps(message))

    def _tell(self, messages: list[FaceMessage]) -> None:
        for message in messages:
            self._feed.put(encode(message))


@contextlib.asynccontextmanager
async def tap(host: Host) -> AsyncIterator[FaceTap]:
    """The tap of one trial, as its host asks for it: ``extra["face"] = {url, version, states}``.

    For `bench.agent.process`, which attaches it to the pipeline as an observer.
    """
    options = host.extra["face"]
    async with SocketFeed(options["url"]) as feed:
        feed.put(json.dumps({"type": "trial", "trial_id": host.trial_id}))
        table = Path(options["states"]) if options.get("states") else TABLE
        track = FaceTrack(read_policy(table), int(options.get("version", 2)))
        async with running(FaceTap(track, feed)) as found:
            yield found


@contextlib.asynccontextmanager
async def running(tap: FaceTap) -> AsyncIterator[FaceTap]:
    """Runs a tap's own time beside the pipeline's."""
    ticking = asyncio.create_task(tap.run())
    try:
        yield tap
    finally:
        ticking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ticking
