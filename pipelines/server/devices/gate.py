"""The microphone of a half-duplex device: closed while its speaker sounds, and a while after. Pure.

Where a speaker stands beside its microphone and nothing cancels the echo, an agent hears itself and
interrupts itself. Such a device hears nobody while it speaks.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.clock import NS_PER_MS, ns_to_samples, samples_to_ns

Floats = npt.NDArray[np.float32]


class HalfDuplexGate:
    """When the microphone is closed.

    Args:
        cool_down_ms: Time after the speaker's last sound for which the microphone stays closed, ms;
            None: a full-duplex device, whose microphone is always open.
    """

    def __init__(self, cool_down_ms: int | None) -> None:
        self.cool_down_ms = cool_down_ms
        self._closed: list[tuple[int, int]] = []
        """Times at which it is closed: [start, end), in order, not overlapping, ns."""

    def sounds(self, start_ns: int, end_ns: int) -> None:
        """The speaker sounds from ``start_ns`` until ``end_ns``; called in the order of time."""
        if self.cool_down_ms is None or end_ns <= start_ns:
            return
        open_ns = end_ns + self.cool_down_ms * NS_PER_MS
        if self._closed and start_ns <= self._closed[-1][1]:
            first_ns, last_ns = self._closed[-1]
            self._closed[-1] = first_ns, max(last_ns, open_ns)
        else:
            self._closed.append((start_ns, open_ns))

    def is_open(self, t_ns: int) -> bool:
        """Whether the microphone hears at a time that is not before the last `filtered` block."""
        return not any(start_ns <= t_ns < end_ns for start_ns, end_ns in self._closed)

    def filtered(self, pcm: Floats, end_ns: int, rate_hz: int) -> Floats:
        """A block of the microphone's, with silence where it is closed; in the order of time.

        Args:
            pcm: (n,) float32 at ``rate_hz``.
            end_ns: When its last sample was taken.
            rate_hz: Rate.

        Returns:
            (n,) float32.
        """
        start_ns = end_ns - samples_to_ns(len(pcm), rate_hz)
        self._closed = [closed for closed in self._closed if closed[1] > start_ns]
        heard = pcm
        for from_ns, to_ns in self._closed:
            first = max(0, ns_to_samples(from_ns - start_ns, rate_hz))
            last = min(len(pcm), ns_to_samples(to_ns - start_ns, rate_hz))
            if first < last:
                heard = heard.copy() if heard is pcm else heard
                heard[first:last] = 0.0
        return heard
