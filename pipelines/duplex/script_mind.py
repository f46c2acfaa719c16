"""When a scripted duplex model speaks: by a timetable, or when the user has fallen silent.

Pure sample arithmetic: it hears the input frame by frame and says at which sample of the input's
time a reply begins, or ends because the user broke in.
"""

from __future__ import annotations

import numpy as np

from pipelines.audio.onsets import THRESHOLD_DBFS
from pipelines.duplex.model import SAMPLE_RATE_HZ, Pcm
from pipelines.duplex.script_options import ScriptOptions

AUDIBLE = np.float32(10 ** (THRESHOLD_DBFS / 20))
"""Least magnitude that counts as the user's voice: the harness's own limit of audibility."""
JOIN_SAMPLES = SAMPLE_RATE_HZ // 10
"""Gaps of the user's up to 100 ms belong to the same speech."""


class ScriptMind:
    """Decides, frame by frame; sample indices count from the session's first input sample."""

    def __init__(self, options: ScriptOptions) -> None:
        self._gate = options.speak == "gate"
        self._gate_samples = _samples(options.gate_ms / 1e3)
        self._yield_samples = _samples(options.yields_ms / 1e3)
        self._times = [_samples(t_s) for t_s in options.times_s] if options.speak == "times" else []
        self._heard = 0
        self._first_loud: int | None = None  # of the speech that goes on, or that was the last
        self._last_loud: int | None = None
        self._answered = True

    def hear(self, pcm: Pcm) -> tuple[int | None, bool]:
        """Takes a frame of the user's.

        Args:
            pcm: (n,) float32, 24 kHz.

        Returns:
            The sample within this frame, from 0, at which a reply begins (None: none does); and
            whether the user has spoken long enough to be yielded to.
        """
        start, self._heard = self._heard, self._heard + len(pcm)
        begin = self._due(start)
        loud = np.flatnonzero(np.abs(pcm) >= AUDIBLE)
        # What is silent up to the frame's first loud sample may be long enough for a reply there.
        until = start + int(loud[0]) if loud.size else self._heard
        begin = self._gate_opens(start, until) if begin is None else begin
        if loud.size:
            first, last = start + int(loud[0]), start + int(loud[-1])
            if self._last_loud is None or first - self._last_loud > JOIN_SAMPLES:
                self._first_loud = first
            self._last_loud = last
            self._answered = False
            begin = self._gate_opens(start, self._heard) if begin is None else begin
        return begin, bool(loud.size and self._speech_samples() >= self._yield_samples > 0)

    def _due(self, start: int) -> int | None:
        if self._times and self._times[0] < self._heard:
            return max(0, self._times.pop(0) - start)
        return None

    def _gate_opens(self, start: int, until: int) -> int | None:
        if not self._gate or self._answered or self._last_loud is None:
            return None
        opens = self._last_loud + 1 + self._gate_samples
        if opens >= until:
            return None
        self._answered = True
        return max(0, opens - start)

    def _speech_samples(self) -> int:
        if self._first_loud is None or self._last_loud is None:
            return 0
        return self._last_loud - self._first_loud + 1


def _samples(time_s: float) -> int:
    return round(time_s * SAMPLE_RATE_HZ)
