"""A session's events as face messages: what the tap of `pipelines.face` is to a pipeline's frames.

The lips take their shapes from the synthesiser's phones where it reports any; else the mouth opens
as loud as the agent speaks.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pipelines.clock import NS_PER_MS, Clock, monotonic_ns
from pipelines.face.messages import FaceMessage, encode
from pipelines.face.states import FaceEvent
from pipelines.face.track import FaceTrack
from pipelines.face.visemes import Phone
from pipelines.server.session.events import (
    AssistantPartial,
    AudioOut,
    Closed,
    Control,
    Event,
    Failure,
    Interruption,
    Phones,
    ToolCall,
    ToolCancelled,
    ToolResult,
    TurnEnd,
    UserPartial,
)

HEARD_NOTHING_MS = 3_000.0
"""Time after the user's end without a transcript or an answer, after which nothing was
understood."""


class SessionFace:
    """The face of one conversation.

    Args:
        track: Makes the messages.
        put: Takes each as a text.
        clock: The machine's clock.
    """

    def __init__(
        self, track: FaceTrack, put: Callable[[str], object], clock: Clock = monotonic_ns
    ) -> None:
        self._track = track
        self._put = put
        self._clock = clock
        self._answer = ""
        self._asked_ms: float | None = None
        """When the user's last turn ended, while nothing has come of it."""
        self._tasks: set[str] = set()
        """Calls of functions that are not over."""

    def take(self, event: Event) -> None:
        """Takes an event of the session's."""
        t_ms = self._clock() / NS_PER_MS
        if isinstance(event, AudioOut):
            if self._track.speaking:
                self._tell(self._track.audio(event.pcm, event.rate_hz))
        elif isinstance(event, Phones):
            phones = [Phone(*row) for row in event.phones]
            self._track.phones(phones, event.samples, event.offset_ms, event.rate_hz)
        elif isinstance(event, Control):
            self._control(event, t_ms)
        elif isinstance(event, TurnEnd):
            self._turn_end(event, t_ms)
        elif isinstance(event, Interruption):
            if self._track.speaking:
                self._message(type="clear")
            self._event("interrupted", t_ms)
        elif isinstance(event, AssistantPartial):
            self._say(event.text, t_ms)
        elif isinstance(event, UserPartial):
            if event.final:
                self._asked_ms = None
                self._answer = ""
                self._message(type="words", who="you", text=event.text)
        elif isinstance(event, ToolCall):
            self._tasks.add(event.call_id)
            self._event("task_started", t_ms)
        elif isinstance(event, ToolResult | ToolCancelled):
            self._task_ended(event.call_id, t_ms)
        elif isinstance(event, Failure):
            self._event("error", t_ms)
        elif isinstance(event, Closed):
            ended = f"ended: {event.reason}" if event.reason else "ended"
            self._message(type="words", who="call", text=ended)

    def tick(self) -> None:
        """Lets time pass: states end by themselves."""
        t_ms = self._clock() / NS_PER_MS
        self._tell(self._track.tick(t_ms))
        if self._asked_ms is not None and t_ms > self._asked_ms + HEARD_NOTHING_MS:
            self._asked_ms = None
            self._event("heard_nothing", t_ms)

    def _turn_end(self, event: TurnEnd, t_ms: float) -> None:
        if event.side == "user":
            self._asked_ms, self._answer = t_ms, ""
            self._event("user_stopped", t_ms)
        else:
            self._event("agent_stopped", t_ms)

    def _task_ended(self, call_id: str, t_ms: float) -> None:
        """Of several tasks the last one counts: the face acts until all are over."""
        self._tasks.discard(call_id)
        if not self._tasks:
            self._event("task_done", t_ms)

    def _control(self, event: Control, t_ms: float) -> None:
        if event.name == "user_speaking":
            speaks = event.value == "true"
            if speaks:
                self._asked_ms = None
                self._event("user_started", t_ms)
            self._tell(self._track.user(speaks))
        elif event.value == "speaking":
            self._asked_ms = None
            self._event("agent_started", t_ms)

    def _say(self, text: str, t_ms: float) -> None:
        known = self._track.policy.event_of(self._answer)
        self._answer += text
        self._message(type="words", who="creature", text=self._answer)
        if known is None:
            self._tell(self._track.said(self._answer, t_ms))

    def _event(self, event: FaceEvent, t_ms: float) -> None:
        self._tell(self._track.event(event, t_ms))

    def _message(self, **message: Any) -> None:
        self._put(json.dumps(message))

    def _tell(self, messages: list[FaceMessage]) -> None:
        for message in messages:
            self._put(encode(message))
