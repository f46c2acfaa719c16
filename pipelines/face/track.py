"""Events and audio in, face messages out: the orchestrator's side of the face. Pure.

Each 80 ms of the audio that the agent writes becomes one message with the opening of the mouth,
numbered by the sample at which it begins, so that the player of the audio knows when it holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pipelines.audio.openness import FRAME_MS, Smoother, openness
from pipelines.face.messages import FaceMessage, Keyframe
from pipelines.face.states import FaceEvent, Policy, StateMachine
from pipelines.face.visemes import FAR_MS, Phone, Shape, blend, spread

KEYFRAME_MS = 20
"""Interval of the lips' shapes, ms."""


@dataclass(slots=True)
class FaceTrack:
    """One conversation's face."""

    policy: Policy
    version: int = 2
    """Version of the messages: 1 or 2."""
    machine: StateMachine = field(init=False)
    mouth: Smoother = field(default_factory=Smoother)
    speaking: bool = False
    user_speaks: bool = False
    """True while the user's voice is heard."""
    written: int = 0
    """Number of samples of the agent's stream taken."""
    _rate_hz: int = 24000
    _frame: bytearray = field(default_factory=bytearray)
    """int16 of the incomplete frame."""
    _made_ms: float = 0.0
    """End, in the written stream, of the audio that the synthesiser has made."""
    _lips: list[tuple[Shape, float, float]] = field(default_factory=list)
    """Shapes in time, ms of the written stream."""

    def __post_init__(self) -> None:
        self.machine = StateMachine(self.policy)

    def event(self, name: FaceEvent, t_ms: float) -> list[FaceMessage]:
        """Takes an event; returns the message that it causes, if any."""
        before, hummed = self.speaking, self._hums
        messages: list[FaceMessage] = []
        if name == "agent_started":
            self.speaking = True
        elif name in ("agent_stopped", "interrupted"):
            if name == "agent_stopped":
                messages = self._close()
            else:
                self._frame.clear()
                self._cut()
            self.mouth.value = 0.0
            self.speaking = False
        changed = self.machine.feed(name, t_ms)
        if changed or self.speaking != before or self._hums != hummed:
            # While it is heard, a change of face belongs to the end of what is written, not to
            # now; but an interruption is now.
            heard = before or self.speaking
            at = self.written if heard and name != "interrupted" else None
            messages.append(self._message(self.mouth.value, at=at))
        return messages

    def user(self, speaks: bool) -> list[FaceMessage]:
        """Sets whether the user's voice is heard."""
        before = self._hums
        self.user_speaks = speaks
        return [self._message(self.mouth.value)] if self._hums != before else []

    def said(self, text: str, t_ms: float) -> list[FaceMessage]:
        """Takes a piece of the agent's text."""
        event = self.policy.event_of(text)
        return self.event(event, t_ms) if event else []

    def tick(self, t_ms: float) -> list[FaceMessage]:
        """Lets time pass."""
        if not self.machine.tick(t_ms):
            return []
        return [self._message(self.mouth.value, at=self.written if self.speaking else None)]

    def phones(self, phones: list[Phone], made: int, offset_ms: float, rate_hz: int) -> None:
        """Takes audio that a synthesiser has made and that is still to be written.

        Args:
            phones: New phones of its request, ms from the request's first sample.
            made: Samples of this piece of audio.
            offset_ms: Start of this piece in the request.
            rate_hz: Sample rate of the piece.
        """
        # All that was made is written: the next audio begins at the stream's end.
        self._made_ms = max(self._made_ms, self._written_ms)
        base_ms = self._made_ms - offset_ms
        self._lips += [(s, base_ms + a, base_ms + b) for s, a, b in spread(phones)]
        self._made_ms += made / rate_hz * 1000

    def audio(self, pcm: bytes, rate_hz: int) -> list[FaceMessage]:
        """Takes samples that were written; returns a message for each complete frame."""
        self._rate_hz = rate_hz
        self._frame += pcm
        size = 2 * (rate_hz * FRAME_MS // 1000)
        messages = []
        while len(self._frame) >= size:
            messages.append(self._frame_message(bytes(self._frame[:size])))
            del self._frame[:size]
        return messages

    @property
    def _hums(self) -> bool:
        return self.machine.state.hum and self.user_speaks and not self.speaking

    @property
    def _written_ms(self) -> float:
        return (self.written + len(self._frame) // 2) / self._rate_hz * 1000

    def _close(self) -> list[FaceMessage]:
        """The last frame, though it is incomplete."""
        rest = bytes(self._frame)
        self._frame.clear()
        return [self._frame_message(rest)] if rest else []

    def _cut(self) -> None:
        """An interruption: audio that was made and not written will never be."""
        self._made_ms = self._written_ms
        self._lips.clear()

    def _frame_message(self, pcm: bytes) -> FaceMessage:
        samples = len(pcm) // 2
        value = self.mouth.step(openness(np.frombuffer(pcm, np.int16)))
        start_ms = self.written / self._rate_hz * 1000
        message = self._message(value, self._keyframes(start_ms), self.written, samples)
        self.written += samples
        self._lips = [row for row in self._lips if row[2] > start_ms - FAR_MS]
        return message

    def _keyframes(self, start_ms: float) -> tuple[Keyframe, ...]:
        near = [r for r in self._lips if r[1] < start_ms + FRAME_MS and r[2] > start_ms - FAR_MS]
        if self.version == 1 or not near:
            return ()
        track = self._lips
        found = []
        for after_ms in range(0, FRAME_MS + 1, KEYFRAME_MS):
            shape = blend(track, start_ms + after_ms)
            found.append(Keyframe(float(after_ms), shape.open, shape.wide, shape.round))
        return tuple(found)

    def _message(
        self,
        mouth: float,
        visemes: tuple[Keyframe, ...] = (),
        at: int | None = None,
        samples: int = 0,
    ) -> FaceMessage:
        state = self.machine.state
        return FaceMessage(
            v=self.version,
            mouth=mouth,
            speaking=self.speaking,
            emotion=state.emotion,
            valence=state.valence,
            arousal=state.arousal,
            visemes=visemes,
            at=at,
            samples=None if at is None else samples,
            state=self.machine.name,
            backchannel=state.backchannel and not self.speaking,
            hum=self._hums,
        )
