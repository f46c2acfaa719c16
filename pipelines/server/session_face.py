"""A session's events as face messages: what the tap of `pipelines.face` is to a pipeline's frames.

It knows no phones: the mouth opens as loud as the agent speaks.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pipelines.clock import NS_PER_MS, Clock, monotonic_ns
from pipelines.face.messages import FaceMessage, encode
from pipelines.face.states import FaceEvent
from pipelines.face.track import FaceTrack
from pipelines.server.session.events import (
    AssistantPartial,
    AudioOut,
    Closed,
    Control,
    Event,
    Failure,
    Interruption,
    ToolCall,
    ToolResult,
    TurnEnd,
    UserPartial,
)


class SessionFace:
    """The face of one conversation.

    Args:
        track: Makes the messages.
        put: Takes each as a text.
        clock: The machine's clock.
    """

    def __init__(
        self, track: FaceTrack, put: Callable[[str], None], clock: Clock = monotonic_ns
    ) -> None:
        self._track = track
        self._put = put
        self._clock = clock
        self._answer = ""

    def take(self, event: Event) -> None:
        """Takes an event of the session's."""
        t_ms = self._clock() / NS_PER_MS
        if isinstance(event, AudioOut):
            if self._track.speaking:
                self._tell(self._track.audio(event.pcm, event.rate_hz))
        elif isinstance(event, Control):
            self._control(event, t_ms)
        elif isinstance(event, TurnEnd):
            self._event("user_stopped" if event.side == "user" else "agent_stopped", t_ms)
        elif isinstance(event, Interruption):
            if self._track.speaking:
                self._message(type="clear")
            self._event("interrupted", t_ms)
        elif isinstance(event, AssistantPartial):
            self._say(event.text, t_ms)
        elif isinstance(event, UserPartial):
            if event.final:
                self._answer = ""
                self._message(type="words", who="you", text=event.text)
        elif isinstance(event, ToolCall | ToolResult):
            self._event("task_started" if isinstance(event, ToolCall) else "task_done", t_ms)
        elif isinstance(event, Failure):
            self._event("error", t_ms)
        elif isinstance(event, Closed):
            ended = f"ended: {event.reason}" if event.reason else "ended"
            self._message(type="words", who="call", text=ended)

    def tick(self) -> None:
        """Lets time pass: states end by themselves."""
        self._tell(self._track.tick(self._clock() / NS_PER_MS))

    def _control(self, event: Control, t_ms: float) -> None:
        if event.name == "user_speaking":
            speaks = event.value == "true"
            if speaks:
                self._event("user_started", t_ms)
            self._tell(self._track.user(speaks))
        elif event.value == "speaking":
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
