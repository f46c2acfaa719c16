"""What is known of the sound so far: voice or silence, its level, and how the last words were said.

Fed in chunks of any length, on the pipeline's loop: a window of Silero costs 0.1 ms, the rest is
arithmetic on a few hundred numbers. Pure but for the voice detector, which is passed in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
WINDOW = 512
"""Samples of a window of the voice detector: 32 ms."""
HOP = 160
"""Samples between levels: 10 ms."""
VOICE = 0.5
"""Least confidence of the detector that counts as voice."""
_QUIET_DB = -100.0
_BELOW_SPEECH_DB = 25.0
"""A sound that lies this far below the utterance's speech is silence."""
_ABOVE_FLOOR_DB = 6.0
"""… and so is what does not rise this far above the background."""
_LEAST_BELOW_DB = 10.0
"""Speech itself is none of it: a call may begin with a voice, before any background was heard."""
_FLOOR_HOPS = 300
_PITCH_WINDOW = 640  # 40 ms
_LAG_MIN, _LAG_MAX = RATE_HZ // 400, RATE_HZ // 70
_PERIODIC = 0.45
"""Least normalised autocorrelation of a voiced window."""

Confidence = Callable[[NDArray[np.int16]], float]
"""(512,) int16 at 16 kHz → confidence that it is voice, 0–1."""


class SpeechTrack:
    """One conversation's sound, from the start of the utterance on.

    Args:
        confidence: The voice detector.
    """

    def __init__(self, confidence: Confidence) -> None:
        self._confidence = confidence
        self._rest: NDArray[np.int16] = np.zeros(0, np.int16)
        self._hop_rest: NDArray[np.int16] = np.zeros(0, np.int16)
        self._floor: list[float] = []
        self.samples = 0
        """Samples heard so far in this conversation."""
        self.voices: list[float] = []
        """Confidences of the last windows, newest last."""
        self.begin()

    def begin(self) -> None:
        """Forgets the utterance before: from here on, levels and pitch are of a new one."""
        self._levels: list[float] = []
        self._pcm: list[NDArray[np.int16]] = []
        self._spoken_hops: list[bool] = []
        self._last_loud = 0
        self._limit = _QUIET_DB
        self._windows = 0

    def feed(self, pcm: NDArray[np.int16]) -> None:
        """Takes (n,) int16 at 16 kHz."""
        self.samples += len(pcm)
        self._pcm.append(pcm)
        self._rest = np.concatenate([self._rest, pcm])
        while len(self._rest) >= WINDOW:
            self.voices = [*self.voices[-31:], self._confidence(self._rest[:WINDOW])]
            self._rest = self._rest[WINDOW:]
            self._windows += 1
        self._hop_rest = np.concatenate([self._hop_rest, pcm])
        while len(self._hop_rest) >= HOP:
            self._take_level(self._hop_rest[:HOP])
            self._hop_rest = self._hop_rest[HOP:]

    def _take_level(self, hop: NDArray[np.int16]) -> None:
        level = level_db(hop)
        self._floor = [*self._floor[1 - _FLOOR_HOPS :], level]
        self._levels.append(level)
        voiced = bool(self.voices) and self.voices[-1] >= VOICE
        self._spoken_hops.append(voiced)
        if level > self._threshold_db() and (voiced or self._last_loud):
            self._last_loud = len(self._levels)

    @property
    def voice(self) -> float:
        """The newest confidence of the detector, 0–1; 0 before there is one."""
        return self.voices[-1] if self.voices else 0.0

    @property
    def voiced_ms(self) -> float:
        """How long the detector has heard voice without a break until now, ms."""
        n = 0
        for value in reversed(self.voices):
            if value < VOICE:
                break
            n += 1
        return n * WINDOW * 1000 / RATE_HZ

    @property
    def unvoiced_ms(self) -> float:
        """How long the detector has heard no voice until now, ms; at most 1 s is known."""
        n = 0
        for value in reversed(self.voices):
            if value >= VOICE:
                break
            n += 1
        return n * WINDOW * 1000 / RATE_HZ

    @property
    def spoken_ms(self) -> float:
        """Voice of the utterance within the last second, ms: consonants don't break it."""
        recent = self.voices[-self._windows :] if self._windows else []
        return sum(value >= VOICE for value in recent) * WINDOW * 1000 / RATE_HZ

    @property
    def last_sound(self) -> int:
        """End of the utterance's last sound, in hops of 10 ms; 0 before its first."""
        return self._last_loud

    @property
    def silence_ms(self) -> float:
        """Time since the utterance's last sound, ms; 0 before its first."""
        if not self._last_loud:
            return 0.0
        return (len(self._levels) - self._last_loud) * HOP * 1000 / RATE_HZ

    def speech_db(self) -> float:
        """Level of the utterance's speech: the 80th percentile of its voiced hops, dBFS."""
        spoken = [x for x, said in zip(self._levels, self._spoken_hops, strict=True) if said]
        return float(np.percentile(spoken, 80)) if spoken else _QUIET_DB

    def floor_db(self) -> float:
        """Level of the background: the 5th percentile of the last 3 s, dBFS."""
        return float(np.percentile(self._floor, 5)) if self._floor else _QUIET_DB

    def _threshold_db(self) -> float:
        # Percentiles of a few hundred numbers: every fifth hop is often enough.
        if len(self._levels) % 5 == 1:
            speech = self.speech_db()
            above = min(self.floor_db() + _ABOVE_FLOOR_DB, speech - _LEAST_BELOW_DB)
            self._limit = max(speech - _BELOW_SPEECH_DB, above)
        return self._limit

    def ending(self) -> Ending:
        """How the last words were said, as far as the sound tells."""
        end = self._last_loud
        tail = self._levels[max(0, end - 10) : end]
        speech = self.speech_db()
        heights = self._pitches(end)
        last = heights[-10:]
        return Ending(
            fall_db=float(np.mean(tail)) - speech if tail else 0.0,
            pitch_st=float(np.median(last) - np.median(heights)) if len(heights) >= 8 else 0.0,
            slope_st=_slope(last) if len(last) >= 6 else 0.0,
            last_voiced_s=self._last_stretch(end),
            above_floor_db=min(60.0, speech - self.floor_db()),
        )

    def _last_stretch(self, end: int) -> float:
        """Length of the last sound without a dip, s."""
        limit, n = self._threshold_db() + 8, 0
        for level in reversed(self._levels[:end]):
            if level < limit and n > 2:
                break
            n += 1
        return n * HOP / RATE_HZ

    def _pitches(self, end: int) -> NDArray[np.float64]:
        """Pitch of the voiced windows of the last 1.2 s of speech, semitones above 1 Hz."""
        pcm = np.concatenate(self._pcm) if self._pcm else np.zeros(0, np.int16)
        last = min(len(pcm), end * HOP)
        part = pcm[max(0, last - 19_200) : last].astype(np.float32)
        n = (len(part) - _PITCH_WINDOW - _LAG_MAX) // (2 * HOP) + 1
        if n < 1:
            return np.zeros(0)
        at = np.arange(n) * 2 * HOP
        frames = part[at[:, None] + np.arange(_PITCH_WINDOW)]
        frames = frames - frames.mean(axis=1, keepdims=True)
        size = 2048
        spectrum = np.fft.rfft(frames, size, axis=1)
        auto = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, : _LAG_MAX + 1]
        energy = auto[:, :1]
        taper = 1 - np.arange(_LAG_MAX + 1) / _PITCH_WINDOW
        likeness = auto / np.maximum(energy, 1e-3) / taper
        lags = likeness[:, _LAG_MIN:]
        best = lags.argmax(axis=1)
        good = (lags[np.arange(n), best] > _PERIODIC) & (energy[:, 0] > _PITCH_WINDOW * 30.0**2)
        hz = RATE_HZ / (best[good] + _LAG_MIN)
        return np.asarray(12 * np.log2(hz), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Ending:
    """How the last words were said."""

    fall_db: float
    """Level of the last 100 ms against the utterance's, dB."""
    pitch_st: float
    """Pitch of the last voiced windows against the last 1.2 s, semitones."""
    slope_st: float
    """Its slope, semitones a second."""
    last_voiced_s: float
    """Length of the last sound without a dip, s."""
    above_floor_db: float
    """Speech above background, dB, at most 60."""


def level_db(pcm: NDArray[np.int16]) -> float:
    """Level of (n,) int16, dBFS; −100 for digital silence."""
    power = float(np.mean(np.square(pcm.astype(np.float32)))) if len(pcm) else 0.0
    return 10 * np.log10(power / 32768.0**2) if power > 0.1 else _QUIET_DB


def _slope(values: NDArray[np.float64]) -> float:
    seconds = np.arange(len(values)) * 2 * HOP / RATE_HZ
    return float(np.polyfit(seconds, values, 1)[0])
