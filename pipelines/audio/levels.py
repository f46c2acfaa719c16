"""Levels and mixtures: RMS in dBFS, gain in dB, removal of rumble, noise at a chosen ratio."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def as_floats(pcm: NDArray[np.int16]) -> Floats:
    """(n,) int16 → floats in ±1."""
    return pcm.astype(np.float64) / 32768


def as_int16(signal: NDArray[np.floating[Any]]) -> NDArray[np.int16]:
    """Floats in ±1 → int16, rounded, without dither; values outside are clipped."""
    clipped: NDArray[np.int16] = np.clip(np.rint(signal * 32768), -32768, 32767).astype(np.int16)
    return clipped


def rms_dbfs(signal: Floats) -> float:
    """RMS level, where 0 dBFS is an RMS of 1.0; −inf for silence or nothing."""
    power = float(np.mean(np.square(signal))) if signal.size else 0.0
    return float(10 * np.log10(power)) if power > 0 else float("-inf")


def window_levels_dbfs(signal: Floats, width: int) -> Floats:
    """RMS levels of the (n // width,) whole windows of a signal, in dBFS; −200 for silence."""
    windows = signal[: signal.size // width * width].reshape(-1, width)
    return np.asarray(10 * np.log10(np.mean(np.square(windows), axis=1) + 1e-20))


def gain(signal: Floats, db: float) -> Floats:
    """The signal, louder by ``db`` (softer if negative)."""
    return signal * 10 ** (db / 20)


def mix_at_snr(speech: Floats, noise: Floats, snr_db: float, where: NDArray[np.bool_]) -> Floats:
    """Adds noise so that, over the samples ``where`` there is speech, the ratio is ``snr_db``.

    Args:
        speech: (n,) the clean signal.
        noise: (n,) the noise, at any level.
        snr_db: Power of the speech over power of the noise, both over ``where``.
        where: (n,) true on speech. Pauses are left out, or long files would come out noisier.

    Returns:
        (n,) the sum; it may exceed ±1.

    Raises:
        ValueError: speech or noise is silent over ``where``.
    """
    wanted = rms_dbfs(speech[where]) - snr_db
    present = rms_dbfs(noise[where])
    if not np.isfinite(wanted - present):
        raise ValueError("mix_at_snr: speech or noise is silent where the ratio is measured")
    return speech + gain(noise, wanted - present)


def pink_noise(n: int, rng: np.random.Generator) -> Floats:
    """(n,) noise whose power falls by 3 dB per octave (flat below 1/100 of the rate), RMS 0.1."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    frequency = np.maximum(np.fft.rfftfreq(n), 0.01)
    noise = np.fft.irfft(spectrum / np.sqrt(frequency), n)
    return np.asarray(noise * 0.1 / np.sqrt(np.mean(noise**2)), dtype=np.float64)


def without_rumble(signal: Floats, below_hz: float, rate_hz: int = 16_000) -> Floats:
    """The (n,) signal without drift and rumble; filtered in both directions, so that nothing
    moves.
    """
    from scipy.signal import butter, sosfiltfilt  # slow to import

    sos = butter(4, below_hz, "highpass", fs=rate_hz, output="sos")
    return np.asarray(sosfiltfilt(sos, signal, padlen=0), dtype=np.float64)
