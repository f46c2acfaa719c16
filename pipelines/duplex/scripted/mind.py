"""When a scripted duplex model speaks: by a timetable, or when the user has fallen silent.

Pure sample arithmetic: it hears the input frame by frame and gives the sample of the input's time
at which a reply begins, or ends because the user broke in.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from pipelines.audio.onsets import audible_spans
from pipelines.duplex.scripted.options import ScriptOptions
from pipelines.duplex.session.model import FRAME_SAMPLES, SAMPLE_RATE_HZ, Pcm

JOIN_MS = 100.0
"""Longest silence of the user within one stretch of speech."""


class Mind(Protocol):
    """Decides when a scripted model speaks, frame by frame."""

    phrase: str
    """Its next text."""

    def hear(self, pcm: Pcm) -> tuple[int | None, int | None]:
        """Takes a frame of the user's.

        Args:
            pcm: (1920,) float32, 24 kHz.

        Returns:
            The sample within this frame, from 0, at which a reply begins (None: none does); and
            the one from which it is silent because of the user (None: it speaks on).
        """


class ScriptMind:
    """Decides by the script; sample indices count from the session's first input sample."""

    def __init__(self, options: ScriptOptions) -> None:
        self.phrase = options.phrase
        self._gate = options.speak == "gate"
        self._gate_samples = _samples(options.gate_ms / 1e3)
        self._yield_samples = _samples(options.yields_ms / 1e3)
        self._times = [_samples(t_s) for t_s in options.times_s] if options.speak == "times" else []
        # Audibility looks at windows that reach over a frame's edge.
        self._past = np.zeros(FRAME_SAMPLES, np.float32)
        self._heard = 0
        self._speech: tuple[int, int] | None = None  # (first sample, one past the last)
        self._answered = True

    def hear(self, pcm: Pcm) -> tuple[int | None, int | None]:
        """See `Mind`: it yields from a frame's first sample on."""
        base, start = self._heard - len(self._past), self._heard
        self._heard += len(pcm)
        begin = self._due(start)
        speaks = False
        signal = np.concatenate((self._past, pcm))
        self._past = pcm
        for span in audible_spans(signal, SAMPLE_RATE_HZ, merge_gap_ms=JOIN_MS):
            first, end = base + span.start, base + span.end
            if self._speech is None or end > self._speech[1]:
                begin = self._gate_opens(start, first) if begin is None else begin
                self._go_on(first, end)
                speaks = True
        begin = self._gate_opens(start, self._heard) if begin is None else begin
        yields = speaks and self._speech_samples() >= self._yield_samples > 0
        return begin, 0 if yields else None

    def _go_on(self, first: int, end: int) -> None:
        known = self._speech
        joins = known is not None and first - known[1] < _samples(JOIN_MS / 1e3)
        self._speech = (known[0] if known is not None and joins else first, end)
        self._answered = False

    def _due(self, start: int) -> int | None:
        if self._times and self._times[0] < self._heard:
            return max(0, self._times.pop(0) - start)
        return None

    def _gate_opens(self, start: int, until: int) -> int | None:
        """The time at which the user's silence becomes long enough, if that is before ``until``."""
        if not self._gate or self._answered or self._speech is None:
            return None
        opens = self._speech[1] + self._gate_samples
        if opens >= until:
            return None
        self._answered = True
        return max(0, opens - start)

    def _speech_samples(self) -> int:
        return self._speech[1] - self._speech[0] if self._speech is not None else 0


def _samples(time_s: float) -> int:
    return round(time_s * SAMPLE_RATE_HZ)
