"""Changes the rate of an agent's replies, each to its last sample.

A stream's resampler sounds late by half its filter; the end of a reply would stay inside until the
next one began. `ReplyResampler.end` brings it out.
"""

from __future__ import annotations

from math import ceil

import numpy as np
import numpy.typing as npt

from pipelines.audio.levels import as_floats, as_int16
from pipelines.audio.stream_resample import StreamResampler


class ReplyResampler:
    """Replies of one conversation, one after the other.

    Args:
        from_hz: Rate of what comes in.
        to_hz: Rate of what goes out.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        self._rates_hz = from_hz, to_hz
        self._stream = StreamResampler(from_hz, to_hz)
        self._is_open = False

    @property
    def delay_s(self) -> float:
        """Delay of every sound on the timeline of samples, s."""
        return self._stream.delay_s

    def feed(self, pcm: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
        """(m,) samples out, for (n,) samples of a reply in."""
        self._is_open |= bool(len(pcm))
        return as_int16(self._stream.feed(as_floats(pcm)))

    def end(self) -> npt.NDArray[np.int16]:
        """(m,) samples: what the filter still holds of the reply; the next one begins anew."""
        if not self._is_open:
            return np.zeros(0, np.int16)
        from_hz, _ = self._rates_hz
        silence = np.zeros(ceil(self.delay_s * from_hz), np.float32)
        rest = as_int16(self._stream.feed(silence))
        self.drop()
        return rest

    def drop(self) -> None:
        """Forgets the rest of a reply: it was interrupted."""
        self._stream = StreamResampler(*self._rates_hz)
        self._is_open = False
