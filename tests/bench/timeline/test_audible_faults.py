"""Audible faults, on signals of which the answer is known beforehand."""

from __future__ import annotations

import numpy as np
import pytest

from bench.simulated.frames import DuplexPlan, duplex_trial_of
from bench.store.recording import AGENT
from bench.timeline.audible_faults import (
    Faults,
    faults_in,
    faults_of,
    floor_dbfs,
    flux_ratio,
    periodicity,
    wordless_ms,
)
from bench.timeline.timeline import reconstruct
from pipelines.marks import stamp

RATE = 24_000
FRAME = 1920


def noise(seconds: float, seed: int = 1) -> np.ndarray:
    return 0.05 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))


def pulses(seconds: float, hz: float) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE
    return np.sum([0.05 * np.cos(2 * np.pi * hz * n * t) for n in range(1, 12)], axis=0)


def with_clicks(signal: np.ndarray, every: int) -> np.ndarray:
    clicked = signal.copy()
    for start in range(every, len(signal) - 24, every):
        clicked[start : start + 24] += 0.6
    return clicked


def test_a_voice_of_one_pitch_is_wholly_periodic_and_noise_is_not():
    assert periodicity(pulses(2.0, 120), RATE) == pytest.approx(1.0, abs=0.02)
    assert periodicity(noise(2.0), RATE) < 0.35
    rough = periodicity(pulses(2.0, 120) + noise(2.0), RATE)
    assert 0.5 < rough < 0.97


def test_clicks_at_frame_edges_show_in_the_flux_and_clicks_elsewhere_do_not():
    plain = flux_ratio(noise(6.0), RATE)
    edges = flux_ratio(with_clicks(noise(6.0), FRAME), RATE)
    elsewhere = flux_ratio(with_clicks(noise(6.0), 1500), RATE)
    assert plain < 3
    assert edges > 8
    assert elsewhere < 3


def test_too_little_sound_says_nothing_of_the_flux():
    assert flux_ratio(noise(1.0), RATE) is None
    assert flux_ratio(np.zeros(5 * RATE), RATE) is None


@pytest.mark.parametrize("level_dbfs", [-60.0, -75.0])
def test_the_hum_of_pauses_is_measured_and_digital_silence_has_a_floor(level_dbfs):
    rng = np.random.default_rng(2)
    hum = 10 ** (level_dbfs / 20) * rng.standard_normal(RATE)
    assert floor_dbfs(np.concatenate((pulses(1.0, 120), hum, pulses(1.0, 90))), RATE) == (
        pytest.approx(level_dbfs, abs=0.3)
    )
    assert floor_dbfs(np.concatenate((pulses(1.0, 120), np.zeros(RATE))), RATE) == -100.0


def test_what_is_never_silent_or_never_heard_has_no_floor():
    assert floor_dbfs(pulses(2.0, 120), RATE) is None
    assert faults_in(np.zeros(RATE, np.int16), RATE) == Faults()


def test_int16_and_floats_of_the_same_signal_have_the_same_faults():
    signal = np.concatenate((with_clicks(pulses(3.0, 120), FRAME), np.zeros(RATE)))
    ints = np.clip(np.rint(signal * 32768), -32768, 32767).astype(np.int16)
    of_ints, of_floats = faults_in(ints, RATE), faults_in(ints / 32768, RATE)
    assert of_ints == of_floats


def trial(words_ms: list[float], sounds: list[tuple[float, float]]):
    row, marks, pcm = duplex_trial_of(DuplexPlan())
    marks = [m for m in marks if (m.stage, m.event) != ("duplex", "text")]
    for ms in words_ms:
        marks.append(stamp("duplex", "text", t_ns=row.t0_ns + round(ms * 1e6), text=" word"))
    pcm[:, AGENT] = 0
    for start, end in sounds:
        pcm[round(start * 24) : round(end * 24), AGENT] = 6000
    return reconstruct(row, marks, pcm), pcm


def test_sound_after_the_last_word_is_measured_from_that_words_text():
    timeline, _ = trial([2000, 2400], [(2100, 3000)])
    assert wordless_ms(timeline) == pytest.approx(600, abs=1)


def test_a_reply_without_any_word_is_wordless_from_its_beginning():
    timeline, _ = trial([2000], [(2100, 2500), (5000, 9000)])
    assert wordless_ms(timeline) == pytest.approx(4000, abs=1)


def test_who_was_not_heard_is_not_judged():
    timeline, pcm = trial([2000], [])
    assert faults_of(timeline, pcm[:, AGENT]) == Faults()
