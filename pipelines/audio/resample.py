"""Changes the rate of a whole signal, with no net delay (a stream needs a stateful resampler)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def resample(pcm: NDArray[Any], from_hz: int, to_hz: int) -> NDArray[Any]:
    """Resamples a mono signal; sample i of the input is heard at i·to/from of the output.

    Args:
        pcm: (n,) int16, or floats in ±1.
        from_hz: Rate of ``pcm``.
        to_hz: Rate wanted.

    Returns:
        (round(n·to/from),) of the same type. An int16 signal is clipped where the filter
        overshoots, and not dithered, so that the same input always gives the same output.
    """
    if pcm.ndim != 1:
        raise ValueError(f"resample: a mono signal of shape (n,) is needed, not {pcm.shape}")
    if from_hz <= 0 or to_hz <= 0:
        raise ValueError(f"resample: rates must be positive, not {from_hz} and {to_hz} Hz")
    if from_hz == to_hz or pcm.size == 0:
        return pcm.copy()
    import soxr  # a compiled library: imported only when needed

    wanted = round(pcm.size * to_hz / from_hz)
    is_int16 = pcm.dtype == np.int16
    signal = pcm.astype(np.float64) / 32768 if is_int16 else pcm.astype(np.float64)
    out = np.asarray(soxr.resample(signal, from_hz, to_hz, quality="VHQ"), dtype=np.float64)
    # soxr may give one sample more or less than the exact ratio.
    out = np.pad(out[:wanted], (0, max(0, wanted - out.size)))
    if is_int16:
        return np.clip(np.rint(out * 32768), -32768, 32767).astype(np.int16)
    return out.astype(pcm.dtype)
