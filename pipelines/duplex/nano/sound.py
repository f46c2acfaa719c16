"""Sound ↔ spectra for the codec of duplex-nano: causal log-mel in, overlap-add out; numpy only.

Both are streaming: the past that they need is part of the object, so that a signal cut into pieces
of whole hops gives the same numbers as the signal at once. Training uses the same tables.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

RATE_HZ = 24000
FRAME = 1920
"""Samples of a frame of the model: 80 ms."""
HOP = 240
"""Samples from one spectrum to the next: 10 ms, eight to the frame."""
MELS = 80
MEL_WINDOW = 1024
"""Samples that a log-mel spectrum sees; it ends with the newest one."""
WINDOW = 960
"""Samples that a decoded spectrum covers: 40 ms, overlapping fourfold."""
BINS = WINDOW // 2 + 1
FLOOR = 1e-3
"""Mel magnitude below which a sound counts as silence (a sine of 1/32768 gives 8e-3)."""

Floats = npt.NDArray[np.float32]


def hann(size: int) -> Floats:
    """The periodic Hann window, (size,)."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)


def mel_filters(window: int = MEL_WINDOW, mels: int = MELS) -> Floats:
    """Triangles of peak 1, evenly spaced in mel from 0 Hz to the half rate: (bins, mels)."""

    def mel(hz: Any) -> Any:
        return 2595 * np.log10(1 + np.asarray(hz) / 700)

    bins = mel(np.arange(window // 2 + 1) * RATE_HZ / window)[:, None]
    edges = np.linspace(0.0, float(mel(RATE_HZ / 2)), mels + 2)
    rise = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    triangles: Floats = np.maximum(0.0, np.minimum(rise, fall)).astype(np.float32)
    return triangles


class LogMel:
    """PCM in whole hops → one log-mel spectrum a hop, each of the 1024 samples up to its end."""

    def __init__(self) -> None:
        """Begins in silence."""
        self._past = np.zeros(MEL_WINDOW - HOP, np.float32)
        self._window, self._filters = hann(MEL_WINDOW), mel_filters()

    def __call__(self, pcm: Floats) -> Floats:
        """(n · 240,) float32 → (n, 80) float32."""
        heard = np.concatenate([self._past, pcm])
        self._past = heard[-len(self._past) :]
        pieces = np.lib.stride_tricks.sliding_window_view(heard, MEL_WINDOW)[::HOP]
        magnitude = np.abs(np.fft.rfft(pieces * self._window, axis=-1))
        spectra: Floats = np.log(np.maximum(magnitude @ self._filters, FLOOR)).astype(np.float32)
        return spectra


class OverlapAdd:
    """Complex spectra, one a hop → PCM. A spectrum's first sample is the hop's first sample."""

    def __init__(self) -> None:
        """Begins in silence."""
        self._tail = np.zeros(WINDOW - HOP, np.float32)
        # Hann twice (the model's spectra are of windowed sound), overlapping fourfold: sums to 1.5.
        self._window = hann(WINDOW) / np.float32(1.5)

    def __call__(self, spectra: npt.NDArray[np.complex64]) -> Floats:
        """(n, 481) complex64 → (n · 240,) float32."""
        waves = np.fft.irfft(spectra, WINDOW, axis=-1).astype(np.float32) * self._window
        out = np.zeros(len(waves) * HOP + len(self._tail), np.float32)
        out[: len(self._tail)] = self._tail
        for place, wave in enumerate(waves):
            out[place * HOP : place * HOP + WINDOW] += wave
        self._tail = out[len(waves) * HOP :].copy()
        return out[: len(waves) * HOP]
