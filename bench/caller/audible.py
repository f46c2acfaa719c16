"""What stands out of the agent's audio while it arrives: for live cues only.

In a channel that falls silent, that is what peaks over −50 dBFS. Where the last 3 s had an ambience
(`pipelines.audio.ambience`), it is what rises above that, from the trial's start on.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.audio.ambience import STRETCH, WINDOWS_PER_S, ambience_dbfs, threshold_dbfs
from pipelines.clock import ns_to_samples, samples_to_ns

AUDIBLE_PEAK = 10 ** (-50 / 20) * 32768
"""|sample| from which on audio is audible (−50 dBFS)."""
MERGE_NS = 100_000_000
"""Pause over which two stretches are one."""
LOOK = WINDOWS_PER_S // 10
"""Windows after which the ambience is looked for again: 0.1 s."""
FULL_SCALE = 32768.0**2
"""Power of a full-scale sample."""

Span = tuple[int, int]
"""An audible stretch: first sample, and the sample after the last, in ns."""


class Audible:
    """The audible stretches of the audio to be heard.

    Args:
        rate_hz: Its rate.
        t0_ns: Time of sample 0.
    """

    def __init__(self, rate_hz: int, t0_ns: int) -> None:
        self._rate_hz, self._t0_ns = rate_hz, t0_ns
        self._window = rate_hz // WINDOWS_PER_S
        self._energy = np.zeros(64 * WINDOWS_PER_S)
        """Of each window of the recording, in squares of samples."""
        self._clean: list[Span] = []
        self._over: list[Span] | None = None
        """The stretches over the ambience; None: they are to be found again."""
        self._end = self._looked = 0
        """Windows that hold audio, or will not get any more; those of them looked at."""
        self.ambience_dbfs: float | None = None
        """The loudest ambience so far; None: there was none."""

    @property
    def spans(self) -> list[Span]:
        """The stretches, by time."""
        if self.ambience_dbfs is None:
            return self._clean
        if self._over is None:
            self._over = self._above(threshold_dbfs(self.ambience_dbfs))
        return self._over

    @property
    def quietest_dbfs(self) -> float:
        """Level that nine tenths of the last 3 s exceed; −200 for silence."""
        recent = self._levels(self._end - STRETCH)
        return float(np.percentile(recent, 10)) if len(recent) else -200.0

    def add(self, pcm: npt.NDArray[np.int16], position: int, heard_ns: int) -> None:
        """Takes audio that will be heard.

        Args:
            pcm: (n,) the audio.
            position: Index of its first sample in the recording, ≥ 0.
            heard_ns: Time of that sample.
        """
        loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) >= AUDIBLE_PEAK)
        if len(loud):
            first_ns = heard_ns + samples_to_ns(int(loud[0]), self._rate_hz)
            end_ns = heard_ns + samples_to_ns(int(loud[-1]) + 1, self._rate_hz)
            if self._clean and first_ns - self._clean[-1][1] < MERGE_NS:
                first_ns = self._clean.pop()[0]
            self._clean.append((first_ns, end_ns))
        self._weigh(pcm, position)

    def cut(self, t_ns: int) -> None:
        """Drops what would have been heard from ``t_ns`` on."""
        self._clean = [(first, min(end, t_ns)) for first, end in self._clean if first < t_ns]
        kept = -(-ns_to_samples(t_ns - self._t0_ns, self._rate_hz) // self._window)
        self._energy[max(0, kept) :] = 0
        self._end = min(self._end, max(0, kept))
        self._over = None

    def _weigh(self, pcm: npt.NDArray[np.int16], position: int) -> None:
        """Adds a chunk's energy to its windows, and looks for an ambience."""
        if not len(pcm):
            return
        first, last = position // self._window, (position + len(pcm) - 1) // self._window
        if last >= len(self._energy):
            self._energy = np.concatenate((self._energy, np.zeros(last)))
        edges = np.arange(first + 1, last + 1) * self._window - position
        squares = np.square(pcm.astype(np.float64))
        self._energy[first : last + 1] += np.add.reduceat(squares, np.concatenate(([0], edges)))
        self._end = max(self._end, (position + len(pcm)) // self._window)
        self._over = None
        if self._end >= self._looked + LOOK:
            self._looked = self._end
            found = ambience_dbfs(self._levels(self._end - STRETCH))
            if found is not None:
                self.ambience_dbfs = max(found, self.ambience_dbfs or found)

    def _levels(self, first: int = 0) -> npt.NDArray[np.float64]:
        """(n,) levels of the whole windows so far, from one on, in dBFS."""
        power = self._energy[max(0, first) : self._end] / (self._window * FULL_SCALE)
        return np.asarray(10 * np.log10(power + 1e-20))

    def _above(self, threshold: float) -> list[Span]:
        """The stretches of windows of at least a level; pauses shorter than `MERGE_NS` join."""
        loud = np.flatnonzero(self._levels() >= threshold)
        if not len(loud):
            return []
        cuts = np.flatnonzero(np.diff(loud) - 1 >= MERGE_NS * WINDOWS_PER_S // 10**9) + 1
        starts = loud[np.concatenate(([0], cuts))]
        ends = loud[np.concatenate((cuts - 1, [len(loud) - 1]))] + 1
        return [(self._ns(int(a)), self._ns(int(b))) for a, b in zip(starts, ends, strict=True)]

    def _ns(self, window: int) -> int:
        return self._t0_ns + samples_to_ns(window * self._window, self._rate_hz)
