"""``[script]`` of a scripted duplex preset: how long a frame takes, and when it speaks. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ScriptOptions:
    """A model-free duplex model."""

    service: Literal["constant", "normal", "lognormal", "list", "recorded"] = "constant"
    """Source of a frame's compute time; a list and a recorded run repeat at their end."""
    service_ms: float = 60.0
    """constant: time of every frame; normal: the mean; lognormal: the median."""
    spread: float = 0.0
    """normal: the standard deviation, ms; lognormal: that of the logarithm."""
    service_list_ms: tuple[float, ...] = ()
    """list: time of each frame in turn."""
    recorded: str = ""
    """recorded: a text file with a frame's compute time in ms on each line."""
    seed: int = 1
    """Seed of the drawn times."""
    speak: Literal["gate", "times", "never", "oracle"] = "gate"
    """Rule for speaking. gate: the user was audible, then silent for ``gate_ms``. oracle: it knows
    the fixtures, and recognises by its ear which one is played."""
    gate_ms: float = 200.0
    """gate: silence of the user after which the turn is over; oracle: time from the user's labelled
    end to its answer."""
    times_s: tuple[float, ...] = ()
    """times: start times, in s of the session's input audio."""
    yields_ms: float = 0.0
    """Duration of the user's speech over its own after which it falls silent; 0: never."""
    fixtures: str = ""
    """oracle: the folder of the fixtures; empty: where the run takes them from."""
    stop_ms: float = 240.0
    """oracle: time to its silence after the labelled beginning of a sound that wants an answer."""
    context_frames: int = 0
    """Number of steps of its context; 0: no end."""
    phrase: str = "All right, I will bring it to you as soon as I have found it."
    """Text of each reply."""
    voice: str = "en-us"
    """A voice of espeak-ng."""
    rate_wpm: int = 175
    """Words per minute."""

    def __post_init__(self) -> None:
        if self.service_ms < 0 or self.spread < 0 or min(self.service_list_ms, default=0.0) < 0:
            raise ValueError("service_ms, spread and service_list_ms must be >= 0")
        if self.service == "list" and not self.service_list_ms:
            raise ValueError("service = 'list' needs service_list_ms")
        if self.service == "recorded" and not self.recorded:
            raise ValueError("service = 'recorded' needs the file's path in recorded")
        if self.speak == "times" and not self.times_s:
            raise ValueError("speak = 'times' needs times_s")
        if min(self.gate_ms, self.yields_ms, self.stop_ms, *self.times_s) < 0:
            raise ValueError("gate_ms, yields_ms, stop_ms and times_s must be >= 0")
