"""Step models whose answer is known: they ship, so that clients can be tried without any model."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipelines.server.session.backend import Capabilities
from pipelines.server.session.events import Input, ToolCall, ToolOutput
from pipelines.server.session.step import Step, StepAudio

RATE_HZ = 24_000
FRAME_SAMPLES = 1_920
"""80 ms."""


@dataclass(slots=True)
class Passthrough:
    """Gives back every frame as it came."""

    capabilities: Capabilities = field(
        default_factory=lambda: Capabilities("passthrough", RATE_HZ, RATE_HZ, full_duplex=True)
    )
    frame_samples: int = FRAME_SAMPLES

    def begin(self) -> None:
        """Nothing to open."""

    def step(self, pcm: bytes) -> Step:
        """The frame."""
        return Step(audio=[StepAudio(pcm)])

    def inject(self, given: Input) -> Step:
        """Nothing."""
        return Step()

    def end(self) -> None:
        """Nothing to close."""


@dataclass(slots=True)
class Clerk:
    """Calls a function at the first loud frame, fills the wait, and says the result.

    It is silent until a frame's peak reaches `LOUD`; then it calls ``look_up`` and gives one frame
    of filler; the result comes back as one frame of audio and its text.
    """

    capabilities: Capabilities = field(
        default_factory=lambda: Capabilities(
            "clerk", RATE_HZ, RATE_HZ, inputs=("audio", "tool_result")
        )
    )
    frame_samples: int = FRAME_SAMPLES
    _called: bool = False

    def begin(self) -> None:
        """Nothing to open."""

    def step(self, pcm: bytes) -> Step:
        """The call and the filler, once."""
        if self._called or max(pcm[1::2], key=_high) in (0, 255):
            return Step()
        self._called = True
        call = ToolCall(0, "call-1", "look_up", {"what": "the red cup"})
        return Step(audio=[StepAudio(tone(3_000), is_filler=True)], calls=[call])

    def inject(self, given: Input) -> Step:
        """The function's result, spoken."""
        assert isinstance(given, ToolOutput)
        return Step(audio=[StepAudio(tone(8_000))], text=str(given.output))

    def end(self) -> None:
        """Nothing to close."""


def _high(byte: int) -> int:
    """Size of the upper byte of an int16 sample."""
    return min(byte, 255 - byte)


def tone(level: int) -> bytes:
    """One frame that is heard: (1920,) samples of one level."""
    return level.to_bytes(2, "little", signed=True) * FRAME_SAMPLES
