"""Sound to log-mel and spectra to sound: what duplex-nano hears, and how it is heard."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.duplex.nano.sound import (
    FRAME,
    HOP,
    MEL_WINDOW,
    RATE_HZ,
    WINDOW,
    LogMel,
    OverlapAdd,
    hann,
    mel_filters,
)


def test_log_mel_of_a_sine_peaks_in_its_band_and_silence_is_the_floor():
    assert np.allclose(LogMel()(np.zeros(HOP, np.float32)), np.log(1e-3))
    sine = 0.5 * np.sin(2 * np.pi * 1500 * np.arange(FRAME) / RATE_HZ).astype(np.float32)
    last = LogMel()(sine)[-1]
    peak = mel_filters()[64].argmax()  # the band with 1500 Hz: bin 64 of 1024 at 24 kHz
    assert last.argmax() == peak
    # A full window of a sine of amplitude .5 under Hann: .5 · 1024 / 4 = 128 in its bin.
    assert last.max() == pytest.approx(
        np.log(128 * mel_filters()[63:66, peak] @ [0.5, 1, 0.5]), abs=0.05
    )


def test_analysis_then_overlap_add_gives_the_signal_back_720_samples_late():
    sound = np.random.default_rng(7).standard_normal(25 * FRAME).astype(np.float32) * 0.1
    past = np.concatenate([np.zeros(WINDOW - HOP, np.float32), sound])
    pieces = np.lib.stride_tricks.sliding_window_view(past, WINDOW)[::HOP]
    back = OverlapAdd()(np.fft.rfft(pieces * hann(WINDOW)).astype(np.complex64))
    late = WINDOW - HOP
    assert np.abs(back[late:] - sound[:-late]).max() < 1e-6


def test_the_log_mel_window_ends_with_the_newest_sample():
    quiet, click = np.zeros(MEL_WINDOW, np.float32), np.zeros(2 * HOP, np.float32)
    click[HOP + 120] = 1.0
    mel = LogMel()
    mel(quiet[: 4 * HOP])
    heard = mel(click)
    assert np.allclose(heard[0], np.log(1e-3)) and (heard[1] > np.log(1e-3)).all()
