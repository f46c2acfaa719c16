"""``[script]`` of a scripted duplex preset: how long a frame takes, and when it speaks. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pipelines.guards.ranges import DelayMs, Range, Seed, WordsPerMinute


@dataclass(frozen=True, slots=True)
class ScriptOptions:
    """A model-free duplex model."""

    service: Literal["constant", "normal", "lognormal", "list", "recorded"] = "constant"
    """Source of a frame's compute time; a list and a recorded run repeat at their end."""
    service_ms: DelayMs = 60.0
    """constant: time of every frame; normal: the mean; lognormal: the median."""
    spread: DelayMs = 0.0
    """normal: the standard deviation, ms; lognormal: that of the logarithm."""
    service_list_ms: tuple[DelayMs, ...] = ()
    """list: time of each frame in turn."""
    recorded: str = ""
    """recorded: a text file with a frame's compute time in ms on each line."""
    seed: Seed = 1
    """Seed of the drawn times."""
    speak: Literal["gate", "times", "never", "oracle"] = "gate"
    """Rule for speaking. gate: the user was audible, then silent for ``gate_ms``. oracle: it knows
    the fixtures, and recognises by its ear which one is played."""
    gate_ms: DelayMs = 200.0
    """gate: silence of the user after which the turn is over; oracle: time from the user's labelled
    end to its answer."""
    times_s: tuple[Annotated[float, Range(0, 86_400, "s")], ...] = ()
    """times: start times, in s of the session's input audio."""
    yields_ms: DelayMs = 0.0
    """Duration of the user's speech over its own after which it falls silent; 0: never."""
    fixtures: str = ""
    """oracle: the folder of the fixtures; empty: where the run takes them from."""
    stop_ms: DelayMs = 240.0
    """oracle: time to its silence after the labelled beginning of a sound that wants an answer."""
    context_frames: Annotated[int, Range(0, 10_000_000, "frames")] = 0
    """Number of steps of its context; 0: no end."""
    phrase: str = "All right, I will bring it to you as soon as I have found it."
    """Text of each reply."""
    voice: str = "en-us"
    """A voice of espeak-ng."""
    rate_wpm: WordsPerMinute = 175
    """Words per minute."""

    def __post_init__(self) -> None:
        if self.service == "list" and not self.service_list_ms:
            raise ValueError("service = 'list' needs service_list_ms")
        if self.service == "recorded" and not self.recorded:
            raise ValueError("service = 'recorded' needs the file's path in recorded")
        if self.speak == "times" and not self.times_s:
            raise ValueError("speak = 'times' needs times_s")
