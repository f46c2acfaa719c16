"""Changes the rate of a stream, chunk by chunk, with a delay that is small, exact and known.

A windowed-sinc filter in polyphase form. It is causal: output sample j is ready as soon as the
input has reached its time, and sounds ``delay_s`` late. So a frame is complete exactly when its
last input sample arrives; a resampler that holds samples back would delay it by a chunk.
"""

from __future__ import annotations

from math import gcd
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

CROSSINGS = 32
"""Zero crossings of the sinc on each side: its length, at the lower of the two rates."""
KAISER_BETA = 8.0
"""Shape of the window: a stop band below −80 dB."""
CUTOFF = 0.92
"""Fraction of the lower rate's Nyquist frequency at which the stop band begins, about."""

Floats = NDArray[np.float32]


class StreamResampler:
    """One stream; the output does not depend on how the input is cut into chunks."""

    def __init__(self, from_hz: int, to_hz: int) -> None:
        """Makes a resampler with silence before the first sample.

        Raises:
            ValueError: a rate is not positive.
        """
        if from_hz <= 0 or to_hz <= 0:
            raise ValueError(f"rates must be positive, not {from_hz} and {to_hz} Hz")
        common = gcd(from_hz, to_hz)
        self.from_hz = from_hz
        self.to_hz = to_hz
        self._up, self._down = to_hz // common, from_hz // common
        half = CROSSINGS * max(self._up, self._down) if from_hz != to_hz else 0
        self.delay_s = half / (from_hz * self._up)
        """Delay of every sound, s: half of the filter's length."""
        self._phases = _polyphase(half, self._up, self._down)  # (up, taps), oldest sample first
        self._past = np.zeros(self._phases.shape[1] - 1, np.float32)
        self._next = 0  # of the output, in steps of 1 / (from_hz · up) after the chunk's first

    def feed(self, pcm: NDArray[Any]) -> Floats:
        """Takes a chunk and returns all samples whose time has come.

        Args:
            pcm: (n,) floats in ±1, n >= 0.

        Returns:
            (m,) float32; over a whole stream of n samples m is ceil(n·to/from).
        """
        chunk = np.asarray(pcm, np.float32)
        if self.from_hz == self.to_hz or not len(chunk):
            return chunk[:]
        at = np.arange(self._next, len(chunk) * self._up, self._down)
        self._next = self._next + len(at) * self._down - len(chunk) * self._up
        signal = np.concatenate((self._past, chunk))
        self._past = signal[len(chunk) :]
        windows = sliding_window_view(signal, self._phases.shape[1])
        taken: Floats = np.einsum("ij,ij->i", windows[at // self._up], self._phases[at % self._up])
        return taken


def _polyphase(half: int, up: int, down: int) -> Floats:
    """The filter's taps by output phase, (up, taps); each row is applied oldest sample first."""
    taps = -(-(2 * half + 1) // up)
    n = np.arange(-half, half + 1)
    # Cut-off as a fraction of the up-sampled rate's Nyquist frequency.
    cutoff = CUTOFF / max(up, down)
    prototype = cutoff * np.sinc(cutoff * n) * np.kaiser(2 * half + 1, KAISER_BETA)
    padded = np.zeros(taps * up)
    padded[: len(prototype)] = prototype
    phases = padded.reshape(taps, up).T[:, ::-1]
    # Each phase is brought to a gain of exactly 1, or a constant would ripple.
    return np.ascontiguousarray(phases / phases.sum(1, keepdims=True), dtype=np.float32)
