"""The rate of the track behind a stream of Opus, read off its band: a resampler leaves an edge.

Opus carries 48 kHz, whatever rate the bot's audio had. What was made at 24 kHz has nothing above
12 kHz, and falls off there as no voice does. Pure.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

RATES_HZ = (16_000, 22_050, 24_000, 32_000)
"""Rates that are looked for."""
EDGE_DB = 25.0
"""Least fall over the edge, dB: from the band below it to the band above."""
BELOW, ABOVE = (0.8, 0.95), (1.06, 1.25)
"""Bands beside the edge, as parts of its frequency; a resampler's slope lies between them."""
LOUD = 1_000
"""|sample| from which a frame tells something."""
FRAMES = 25
"""Loud frames that are looked at together: half a second of speech."""


class BandWatch:
    """Finds the edge, once in a call.

    Args:
        rate_hz: Rate of the stream.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._power: npt.NDArray[np.float64] | None = None
        self._frames = 0
        self._is_over = False

    def take(self, pcm: npt.NDArray[np.int16]) -> int | None:
        """Looks at a frame.

        Args:
            pcm: (n,) samples; the same n each time.

        Returns:
            The track's rate in Hz, once it shows; else None.
        """
        if self._is_over or np.abs(pcm.astype(np.int32)).max(initial=0) < LOUD:
            return None
        power = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm)))) ** 2
        self._power = power if self._power is None else self._power + power
        self._frames += 1
        if self._frames < FRAMES:
            return None
        self._is_over = True
        frequencies = np.fft.rfftfreq(len(pcm), 1 / self._rate_hz).astype(np.float64)
        falls = [self._fall_db(frequencies, rate_hz / 2) for rate_hz in RATES_HZ]
        best = int(np.argmax(falls))
        return RATES_HZ[best] if falls[best] >= EDGE_DB else None

    def _fall_db(self, frequencies: npt.NDArray[np.float64], edge_hz: float) -> float:
        assert self._power is not None
        levels = []
        for low, high in (BELOW, ABOVE):
            inside = (frequencies >= low * edge_hz) & (frequencies <= high * edge_hz)
            levels.append(10 * np.log10(self._power[inside].mean() + 1e-9))
        return float(levels[0] - levels[1])
