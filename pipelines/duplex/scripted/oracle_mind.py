"""The oracle's mind: it recognises by ear which turn of the fixtures is played, and knows the rest.

A turn's audio reaches the model sample for sample as `scripted.oracle_lines` made it, so that
comparing is enough: lines that differ from the sound are dropped, frame by frame. From the label it
knows when the user has ended and when a silence is only a pause. It answers ``gate_ms`` after the
labelled end of a turn that wants an answer; while it speaks, it falls silent ``stop_ms`` after the
labelled beginning of such a turn, and speaks on over all other sounds. To unknown sounds it says
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipelines.audio.onsets import WINDOW_MS, first_audible
from pipelines.duplex.scripted.options import ScriptOptions
from pipelines.duplex.scripted.oracle_lines import Line
from pipelines.duplex.session.model import FRAME_SAMPLES, SAMPLE_RATE_HZ, Pcm

FAINT = 0.003
"""RMS below which a difference is none: below what is audible."""
SHARE = 0.1
"""Share of the sound below which a difference is none."""
_EDGE = round(WINDOW_MS * SAMPLE_RATE_HZ / 1000)
"""Distance from the end of the sound within which an onset may still move."""


class OracleMind:
    """A `pipelines.duplex.scripted.mind.Mind`; samples count from the session's first."""

    def __init__(self, options: ScriptOptions, lines: Sequence[Line]) -> None:
        self.phrase = ""
        self._lines = lines
        self._gate = round(options.gate_ms * SAMPLE_RATE_HZ / 1e3)
        self._stop = round(options.stop_ms * SAMPLE_RATE_HZ / 1e3)
        self._past = np.zeros(2 * FRAME_SAMPLES, np.float32)
        self._heard = 0
        self._free = 0  # from here on a new line may begin
        self._onset = 0
        self._live: list[Line] = []  # possible lines; empty: none
        self._answered = self._stopped = False
        self._last: tuple[str, int] | None = None

    def hear(self, pcm: Pcm) -> tuple[int | None, int | None]:
        """See `pipelines.duplex.scripted.mind.Mind`."""
        start, self._heard = self._heard, self._heard + len(pcm)
        signal = np.concatenate((self._past, pcm))
        self._past = signal[len(pcm) :]
        since = start
        if not self._live and self._begins(signal):
            since = self._onset
        first = self._heard - len(signal)
        self._live = [line for line in self._live if self._fits(line, signal, first, since)]
        stop, begin = self._stops(start), self._answers(start)
        if self._live and all(self._onset + len(line.pcm) <= self._heard for line in self._live):
            self._over()
        return begin, stop

    def _begins(self, signal: Pcm) -> bool:
        """True if a new sound is heard; then it may be any line."""
        first = self._heard - len(signal)
        skip = max(0, self._free - first)
        at = first_audible(signal[skip:], SAMPLE_RATE_HZ)
        if at is None or skip + at > len(signal) - _EDGE:
            return False
        self._onset = first + skip + at
        self._live = list(self._lines)
        self._answered = self._stopped = False
        return True

    def _fits(self, line: Line, signal: Pcm, first: int, since: int) -> bool:
        """True if the sound since a sample can be this line, which then ends in silence."""
        heard = signal[since - first :]
        at = since - self._onset
        expected = np.zeros_like(heard)
        known = line.pcm[at : at + len(heard)]
        expected[: len(known)] = known
        return _rms(heard - expected) <= FAINT + SHARE * _rms(expected)

    def _stops(self, start: int) -> int | None:
        """The sample of the frame from which it is silent because the user takes the turn."""
        if self._stopped or not self._live or not all(line.answer for line in self._live):
            return None
        at = self._onset + max(line.on for line in self._live) + self._stop
        if at >= self._heard:
            return None
        self._stopped = True
        return max(0, at - start)

    def _answers(self, start: int) -> int | None:
        """The sample of the frame at which the answer begins."""
        if self._answered:
            return None
        due = [line for line in self._live if self._onset + line.off + self._gate < self._heard]
        if not due:
            return None
        line = self._chosen(due)
        self._answered, self._live = True, [line]
        self._last, self.phrase = (line.fixture, line.number), line.answer
        return max(0, self._onset + line.off + self._gate - start) if line.answer else None

    def _chosen(self, due: Sequence[Line]) -> Line:
        """Among lines that sound the same, the next one of the conversation, or one that begins."""
        follows = None if self._last is None else (self._last[0], self._last[1] + 1)
        for line in due:
            if (line.fixture, line.number) == follows:
                return line
        return next((line for line in due if line.number == 0), due[0])

    def _over(self) -> None:
        """All of the audio was heard, and the reaction is decided."""
        if self._answered:
            self._free = self._onset + max(len(line.pcm) for line in self._live)
            self._live = []


def _rms(signal: Pcm) -> float:
    return float(np.sqrt(np.mean(np.square(signal, dtype=np.float64)))) if len(signal) else 0.0
