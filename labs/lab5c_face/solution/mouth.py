"""Task 1, worked: RMS in dBFS, mapped linearly; one pole, quicker up than down."""

import numpy as np

SILENT_DBFS, FULL_DBFS = -45.0, -15.0
RISE, FALL = 0.8, 0.5


def openness(pcm: np.ndarray) -> float:
    """0 to 1 for one frame of int16 samples."""
    if not len(pcm):
        return 0.0
    rms = np.sqrt(np.mean(np.square(pcm.astype(float)))) / 32768
    if rms <= 0:
        return 0.0
    share = (20 * np.log10(rms) - SILENT_DBFS) / (FULL_DBFS - SILENT_DBFS)
    return float(min(1.0, max(0.0, share)))


def smooth(values: list[float]) -> list[float]:
    """Follows: 80 % of the way per frame when it opens, 50 % when it closes."""
    now, out = 0.0, []
    for value in values:
        now += (RISE if value > now else FALL) * (value - now)
        out.append(now)
    return out
