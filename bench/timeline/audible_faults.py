"""Faults of a neural codec that a person hears and a word error rate misses: buzz or hoarseness, a
step at every frame's edge, hum in the pauses, and sound that goes on without words.

Pure arithmetic on the agent's channel of a recording. None of it is a metric of the table: such a
figure says little alone, and is compared with the same figure of the voice that the model learnt
from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.timeline.answers import Sound
from bench.timeline.timeline import Timeline
from pipelines.audio.onsets import audible_spans
from pipelines.audio.resample import resample
from pipelines.clock import NS_PER_MS

Signal = NDArray[np.float64]
"""(n,) in ±1."""

FRAME_HZ = 12.5
"""Frame rate of the models in question."""
PITCH_HZ = (70.0, 400.0)
"""Range in which a voice's pitch is sought."""
PITCH_RATE_HZ = 16_000
PITCH_WINDOW_MS, PITCH_HOP_MS = 40, 10
FLUX_MS = 5.0
"""Step of the spectra whose differences are the flux: 16 in a frame."""
NEAR_HZ = (0.5, 3.0)
"""Distance from `FRAME_HZ`, to both sides, of the modulations that it is compared with."""
LEAST_FLUX_S = 2.0
"""Least audible sound; with less, a ratio of modulations says nothing."""
GUARD_MS = 60.0
"""Margin around audible sound that is not part of a pause: a sound fades."""
DIGITAL_SILENCE_DBFS = -100.0
"""Level that digital silence gets."""
TEXT_AHEAD_NS = 600 * NS_PER_MS
"""Longest time by which a word's text may precede its sound."""


@dataclass(frozen=True, slots=True)
class Faults:
    """One voice in one recording; None where there is nothing to judge by."""

    periodicity: float | None = None
    """Mean peak of the normalised autocorrelation in the loud half of its sound, 0 to 1: below the
    original's, hoarse; above it, buzzing."""
    flux_ratio: float | None = None
    """Modulation of the spectrum's changes at the frame rate, 12.5 Hz, over that at the frequencies
    around. 1: none; clicks at frame edges make it several times as large."""
    floor_dbfs: float | None = None
    """Median level of its pauses in dBFS, by windows of 20 ms; −100 for digital silence."""
    wordless_ms: float | None = None
    """Longest time that a reply was audible after its last word's text, or without any."""


def faults_of(timeline: Timeline, pcm: NDArray[Any]) -> Faults:
    """The faults of a trial's agent.

    Args:
        timeline: The trial.
        pcm: (n,) int16 or floats in ±1, the agent's channel at the trial's rate.
    """
    heard = faults_in(pcm, timeline.trial.rate_hz)
    return Faults(heard.periodicity, heard.flux_ratio, heard.floor_dbfs, wordless_ms(timeline))


def faults_in(pcm: NDArray[Any], rate_hz: int) -> Faults:
    """The faults of any voice, as `faults_of` without those of the text."""
    signal = _floats(pcm)
    return Faults(
        periodicity(signal, rate_hz), flux_ratio(signal, rate_hz), floor_dbfs(signal, rate_hz)
    )


def periodicity(signal: Signal, rate_hz: int) -> float | None:
    """See `Faults.periodicity`."""
    if not audible_spans(signal, rate_hz):
        return None
    x = resample(signal, rate_hz, PITCH_RATE_HZ)
    longest = int(PITCH_RATE_HZ / PITCH_HZ[0])
    width = PITCH_WINDOW_MS * PITCH_RATE_HZ // 1000
    starts = np.arange(0, len(x) - width - longest, PITCH_HOP_MS * PITCH_RATE_HZ // 1000)
    if not len(starts):
        return None
    windows = np.lib.stride_tricks.sliding_window_view(x, width)
    energy = np.square(windows[starts]).sum(axis=1)
    loud = starts[energy >= np.median(energy[energy > energy.max() * 1e-4])]
    own = windows[loud]
    best = np.full(len(loud), -1.0)
    for lag in range(int(PITCH_RATE_HZ / PITCH_HZ[1]), longest + 1):
        later = windows[loud + lag]
        scale = np.sqrt(np.square(own).sum(axis=1) * np.square(later).sum(axis=1))
        best = np.maximum(best, (own * later).sum(axis=1) / np.maximum(scale, 1e-12))
    return float(best.mean())


def flux_ratio(signal: Signal, rate_hz: int) -> float | None:
    """See `Faults.flux_ratio`."""
    step = round(FLUX_MS * rate_hz / 1e3)
    if len(signal) < 4 * step:
        return None
    windows = np.lib.stride_tricks.sliding_window_view(signal, 2 * step)[::step]
    spectra = np.abs(np.fft.rfft(windows * np.hanning(2 * step), axis=1)) / step
    level_db = 20 * np.log10(np.maximum(spectra, 10 ** (-80 / 20)))
    flux = np.abs(np.diff(level_db, axis=0)).mean(axis=1)
    # Only where it sounds: a pause's end would be the largest change of all.
    sounds = np.zeros(len(flux), bool)
    for span in audible_spans(signal, rate_hz):
        sounds[span.start // step + 2 : max(0, span.end // step - 3)] = True
    if sounds.sum() * FLUX_MS < LEAST_FLUX_S * 1e3:
        return None
    at_s = np.flatnonzero(sounds) * step / rate_hz
    change = flux[sounds] - flux[sounds].mean()
    near = np.arange(NEAR_HZ[0], NEAR_HZ[1], 0.1)
    around = np.concatenate((FRAME_HZ - near, FRAME_HZ + near))
    beside = np.sqrt(np.mean([_modulation(change, at_s, hz) ** 2 for hz in around]))
    return _modulation(change, at_s, FRAME_HZ) / float(beside) if beside > 0 else None


def _modulation(change: Signal, at_s: Signal, hz: float) -> float:
    return float(np.abs(np.sum(change * np.exp(-2j * np.pi * hz * at_s))))


def floor_dbfs(signal: Signal, rate_hz: int) -> float | None:
    """See `Faults.floor_dbfs`; None for a voice that is never silent, or never audible."""
    spans = audible_spans(signal, rate_hz, merge_gap_ms=2 * GUARD_MS)
    if not spans:
        return None
    guard = round(GUARD_MS * rate_hz / 1e3)
    silent = np.ones(len(signal), bool)
    for span in spans:
        silent[max(0, span.start - guard) : span.end + guard] = False
    width = rate_hz // 50
    whole = len(signal) // width * width
    quiet = silent[:whole].reshape(-1, width).all(axis=1)
    if not quiet.any():
        return None
    power = np.square(signal[:whole].reshape(-1, width)[quiet]).mean(axis=1)
    return max(DIGITAL_SILENCE_DBFS, float(10 * np.log10(max(np.median(power), 1e-12))))


def wordless_ms(timeline: Timeline) -> float | None:
    """See `Faults.wordless_ms`; None for other than duplex models, or where nothing was heard."""
    words = [mark.t_ns for mark in timeline.all("duplex", "text") if (mark.text or "").strip()]
    if not timeline.replies or not timeline.all("duplex", "frame_out"):
        return None
    return max(_after_words_ns(reply, words) for reply in timeline.replies) / NS_PER_MS


def _after_words_ns(reply: Sound, words: list[int]) -> int:
    own = [t for t in words if reply.start_ns - TEXT_AHEAD_NS <= t < reply.end_ns]
    return reply.end_ns - max([reply.start_ns, *own])


def _floats(pcm: NDArray[Any]) -> Signal:
    scale = 32768.0 if pcm.dtype == np.int16 else 1.0
    return np.asarray(pcm, np.float64) / scale
