"""The mouth: the user's time as a schedule. It gives the samples that the user speaks in chunk k.

Sample i is spoken at t0 + i / rate; a microphone delivers chunk k once its last sample is spoken,
at t0 + (k + 1) T. So nothing that the agent does can move the user's clock.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.clock import ns_to_samples, samples_to_ns

CHUNK_MS = 20
"""Length of the microphone's chunk, ms."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """One turn, placed on the user's time."""

    turn: int
    start: int
    """Sample index at which its audio begins."""
    pcm: npt.NDArray[np.int16]  # (n,)
    u_on: int
    """Sample index, from t0, of the first audible sample."""
    u_off: int
    """Sample index, from t0, just after the last audible sample."""

    @property
    def end(self) -> int:
        """Sample index just after its audio."""
        return self.start + len(self.pcm)


class Mouth:
    """The user's side of one trial.

    Args:
        rate_hz: Sample rate of the microphone.
        t0_ns: Time at which sample 0 is spoken.
    """

    def __init__(self, rate_hz: int, t0_ns: int) -> None:
        self.rate_hz = rate_hz
        self.t0_ns = t0_ns
        self.chunk_samples = rate_hz * CHUNK_MS // 1000
        self.spoken: list[Spoken] = []
        self.next_k = 0
        """Index of the next chunk to be sent."""

    def due_ns(self, k: int) -> int:
        """Due time of chunk ``k``: the time after its last sample."""
        return self.t0_ns + samples_to_ns((k + 1) * self.chunk_samples, self.rate_hz)

    def ns_of(self, sample: int) -> int:
        """Time at which a sample is spoken."""
        return self.t0_ns + samples_to_ns(sample, self.rate_hz)

    def schedule(
        self,
        turn: int,
        pcm: npt.NDArray[np.int16],
        u_on: int,
        u_off: int,
        at_ns: int,
        *,
        on_grid: bool = False,
    ) -> Spoken:
        """Places a turn's audio at ``at_ns``, or at the next sample that is not sent yet.

        Args:
            turn: Its number.
            pcm: (n,) int16.
            u_on: First audible sample within ``pcm``.
            u_off: Sample after the last audible one within ``pcm``.
            at_ns: Time at which its first sample should be spoken.
            on_grid: True to begin it with the next chunk, so that its samples are whole chunks.
        """
        wanted = ns_to_samples(at_ns - self.t0_ns, self.rate_hz)
        if on_grid:
            wanted = -(-wanted // self.chunk_samples) * self.chunk_samples
        start = max(wanted, self.next_k * self.chunk_samples)
        placed = Spoken(turn, start, pcm, start + u_on, start + u_off)
        self.spoken.append(placed)
        return placed

    def chunk(self, k: int) -> npt.NDArray[np.int16]:
        """The user's audio in chunk ``k``: (chunk_samples,) int16, zeros in silence."""
        first = k * self.chunk_samples
        return self._window(first, first + self.chunk_samples)

    def render(self, samples: int) -> npt.NDArray[np.int16]:
        """All of the user's audio from t0: (samples,) int16."""
        return self._window(0, samples)

    def _window(self, first: int, stop: int) -> npt.NDArray[np.int16]:
        out = np.zeros(stop - first, np.int16)
        for placed in self.spoken:
            a, b = max(first, placed.start), min(stop, placed.end)
            if a < b:
                out[a - first : b - first] = placed.pcm[a - placed.start : b - placed.start]
        return out
