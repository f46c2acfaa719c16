"""The audible-limit detector, on signals whose answer is known beforehand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.audio.onsets import Span, audible_spans, first_audible, last_audible

RATE = 16_000
WINDOW = 80  # 5 ms at 16 kHz
LIMIT = 10 ** (-50 / 20)


def square(n: int, level: float) -> np.ndarray:
    """A signal whose every sample has the same magnitude: audible to its very ends."""
    return level * np.where(np.arange(n) % 2 == 0, 1.0, -1.0)


def pieces(*parts: np.ndarray | int) -> np.ndarray:
    """Joins signals; a number stands for that many samples of silence."""
    return np.concatenate([np.zeros(p) if isinstance(p, int) else p for p in parts])


@pytest.mark.parametrize("phase", range(WINDOW))
def test_a_burst_is_found_to_the_sample_at_every_phase_of_the_5_ms_grid(phase: int) -> None:
    signal = pieces(1600 + phase, square(4801, 0.1), 1999)
    assert audible_spans(signal, RATE) == [Span(1600 + phase, 1600 + phase + 4801)]


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("hz", [100.0, 440.0, 3000.0])
def test_a_sine_is_audible_from_its_first_to_its_last_sample_above_the_limit(
    rate_hz: int, hz: float
) -> None:
    tone = 0.5 * np.sin(2 * np.pi * hz * np.arange(rate_hz // 2) / rate_hz)
    above = np.flatnonzero(np.abs(tone) >= LIMIT)
    signal = pieces(777, tone, 333)
    assert audible_spans(signal, rate_hz) == [Span(777 + above[0], 777 + above[-1] + 1)]
    assert first_audible(signal, rate_hz) == 777 + above[0]
    assert last_audible(signal, rate_hz) == 777 + above[-1]


@pytest.mark.parametrize("at", [0, 1, 79, 80, 81, 4000, 7999])
def test_a_click_of_one_sample_is_found_exactly(at: int) -> None:
    signal = np.zeros(8000)
    signal[at] = -0.5
    assert audible_spans(signal, RATE) == [Span(at, at + 1)]


def test_a_click_too_weak_to_lift_its_window_is_not_audible() -> None:
    weakest = LIMIT * np.sqrt(WINDOW)  # one sample that alone gives 5 ms the RMS of the limit
    for level, found in [(0.99 * weakest, []), (1.01 * weakest, [Span(500, 501)])]:
        signal = np.zeros(1000)
        signal[500] = level
        assert audible_spans(signal, RATE) == found


@pytest.mark.parametrize("signal", [np.zeros(0), np.zeros(1), np.zeros(5000, np.int16)])
def test_silence_and_nothing_have_no_audible_part(signal: np.ndarray) -> None:
    assert audible_spans(signal, RATE) == []
    assert first_audible(signal, RATE) is None
    assert last_audible(signal, RATE) is None


def test_noise_below_the_limit_is_not_audible_though_its_peaks_stand_above() -> None:
    noise = np.random.default_rng(1).standard_normal(80_000) * 10 ** (-56 / 20)
    assert np.abs(noise).max() > LIMIT
    assert audible_spans(noise, RATE) == []


def test_speech_over_noise_below_the_limit_keeps_its_limits() -> None:
    noise = np.random.default_rng(2).standard_normal(16_000) * 10 ** (-70 / 20)
    noise[4000:8000] += square(4000, 0.2)
    assert audible_spans(noise, RATE) == [Span(4000, 8000)]


def test_the_limit_itself_is_audible_and_just_below_is_not() -> None:
    assert audible_spans(square(400, 0.5), RATE, threshold_dbfs=20 * np.log10(0.5) - 1e-9) == [
        Span(0, 400)
    ]
    assert audible_spans(square(400, 0.5), RATE, threshold_dbfs=20 * np.log10(0.5) + 1e-3) == []


def test_a_gap_shorter_than_the_merge_gap_joins_and_one_as_long_parts() -> None:
    burst = square(800, 0.1)
    joined = pieces(100, burst, 3199, burst, 100)
    parted = pieces(100, burst, 3200, burst, 100)
    assert audible_spans(joined, RATE, merge_gap_ms=200) == [Span(100, 4899)]
    assert audible_spans(parted, RATE, merge_gap_ms=200) == [Span(100, 900), Span(4100, 4900)]


def test_a_full_scale_signal_of_many_minutes_does_not_overflow() -> None:
    signal = np.full(3_000_000, -32768, np.int16)
    signal[:10] = 0
    assert audible_spans(signal, RATE) == [Span(10, 3_000_000)]


def test_int16_and_the_same_signal_as_floats_agree() -> None:
    pcm = (np.random.default_rng(3).standard_normal(16_000) * 150).astype(np.int16)
    for signal in (pcm.astype(np.float64) / 32768, (pcm / 32768).astype(np.float32)):
        assert audible_spans(signal, RATE, merge_gap_ms=1) == audible_spans(
            pcm, RATE, merge_gap_ms=1
        )


def test_a_stereo_signal_integers_of_another_width_and_nan_are_refused() -> None:
    for bad in (np.zeros((10, 2)), np.zeros(10, np.int32), np.array([0.0, np.nan])):
        with pytest.raises(ValueError, match="onsets:"):
            audible_spans(bad, RATE)


def any_signal(seed: int, bursts: list[tuple[int, int, float]]) -> np.ndarray:
    """Noise bursts of any level on faint noise, as int16."""
    rng = np.random.default_rng(seed)
    signal = rng.standard_normal(6000) * 3
    for start, length, db in bursts:
        signal[start : start + length] += rng.standard_normal(length) * 32768 * 10 ** (db / 20)
    return np.clip(signal, -32768, 32767).astype(np.int16)


signals = st.builds(
    any_signal,
    st.integers(0, 1000),
    st.lists(
        st.tuples(st.integers(0, 5000), st.integers(1, 1000), st.floats(-70, -10)), max_size=4
    ),
)


@settings(max_examples=60, deadline=None)
@given(signals, st.integers(0, 500))
def test_silence_in_front_shifts_the_answer_and_nothing_else(pcm: np.ndarray, k: int) -> None:
    shifted = np.concatenate([np.zeros(k, np.int16), pcm, np.zeros(7, np.int16)])
    for gap_ms in (0, 10, 200):
        here = audible_spans(pcm, RATE, merge_gap_ms=gap_ms)
        there = audible_spans(shifted, RATE, merge_gap_ms=gap_ms)
        assert there == [Span(s.start + k, s.end + k) for s in here]


@settings(max_examples=60, deadline=None)
@given(signals, st.floats(0.0, 20.0))
def test_what_is_audible_stays_audible_when_louder(pcm: np.ndarray, db: float) -> None:
    def heard(x: np.ndarray) -> set[int]:
        spans = audible_spans(x, RATE, merge_gap_ms=0)
        return {i for s in spans for i in range(s.start, s.end)}

    signal = pcm.astype(np.float64) / 32768
    assert heard(signal) <= heard(signal * 10 ** (db / 20))


@settings(max_examples=60, deadline=None)
@given(signals, signals)
def test_two_signals_far_apart_are_heard_as_each_alone(a: np.ndarray, b: np.ndarray) -> None:
    apart = 4000
    both = np.concatenate([a, np.zeros(apart, np.int16), b])
    moved = [Span(s.start + len(a) + apart, s.end + len(a) + apart) for s in audible_spans(b, RATE)]
    assert audible_spans(both, RATE) == audible_spans(a, RATE) + moved


@settings(max_examples=60, deadline=None)
@given(signals)
def test_first_and_last_are_the_ends_of_the_spans(pcm: np.ndarray) -> None:
    spans = audible_spans(pcm, RATE)
    first, last = first_audible(pcm, RATE), last_audible(pcm, RATE)
    assert (first, last) == ((spans[0].start, spans[-1].end - 1) if spans else (None, None))


@settings(max_examples=60, deadline=None)
@given(signals)
def test_the_fast_search_agrees_with_the_rule_written_out(pcm: np.ndarray) -> None:
    x = pcm.astype(np.float64) / 32768
    padded = np.concatenate([np.zeros(WINDOW - 1), x, np.zeros(WINDOW - 1)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)
    loud = np.sqrt(np.mean(np.square(windows), axis=1)) >= LIMIT
    covered = np.array([loud[i : i + WINDOW].any() for i in range(len(x))])
    audible = np.flatnonzero(covered & (np.abs(x) >= LIMIT))
    spans = audible_spans(pcm, RATE, merge_gap_ms=0)
    assert [i for s in spans for i in range(s.start, s.end)] == list(audible)
