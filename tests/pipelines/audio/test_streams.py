"""Streams in chunks: the resampler's delay and exactness, frames of one size."""

from __future__ import annotations

from math import ceil, gcd

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.audio.reframe import Reframer
from pipelines.audio.stream_resample import StreamResampler

RATES = [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000]


def cut(signal, sizes):
    """The signal in chunks of these sizes, again and again."""
    chunks, at, i = [], 0, 0
    while at < len(signal):
        size = sizes[i % len(sizes)]
        chunks.append(signal[at : at + size])
        at, i = at + size, i + 1
    return chunks


def resampled(signal, from_hz, to_hz, sizes):
    resampler = StreamResampler(from_hz, to_hz)
    return np.concatenate([resampler.feed(chunk) for chunk in cut(signal, sizes)])


@settings(max_examples=60, deadline=None)
@given(
    from_hz=st.sampled_from(RATES),
    sizes=st.lists(st.integers(1, 999), min_size=1, max_size=6),
    count=st.integers(1, 3000),
)
def test_the_output_does_not_depend_on_the_chunks(from_hz, sizes, count):
    signal = np.random.default_rng(count).uniform(-1, 1, count).astype(np.float32)
    whole = StreamResampler(from_hz, 24_000).feed(signal)
    np.testing.assert_allclose(resampled(signal, from_hz, 24_000, sizes), whole, atol=1e-5)
    assert len(whole) == ceil(count * 24_000 / from_hz)


@pytest.mark.parametrize("from_hz", RATES)
@pytest.mark.parametrize("tone_hz", [200.0, 1000.0, 3000.0])
def test_a_tone_comes_out_exactly_as_late_as_the_resampler_says(from_hz, tone_hz):
    t_s = np.arange(from_hz // 2) / from_hz
    signal = np.sin(2 * np.pi * tone_hz * t_s).astype(np.float32)
    out = resampled(signal, from_hz, 24_000, [from_hz // 50])
    delay_s = StreamResampler(from_hz, 24_000).delay_s
    t_out_s = np.arange(len(out)) / 24_000 - delay_s
    settled = t_out_s > delay_s
    wanted = np.sin(2 * np.pi * tone_hz * t_out_s)
    np.testing.assert_allclose(out[settled], wanted[settled], atol=2e-4)
    assert delay_s <= 0.004


def test_the_delay_is_2_ms_from_16_khz_and_none_at_the_same_rate():
    assert StreamResampler(16_000, 24_000).delay_s == 0.002
    assert StreamResampler(24_000, 24_000).delay_s == 0.0
    same = np.arange(5, dtype=np.float32)
    np.testing.assert_array_equal(StreamResampler(24_000, 24_000).feed(same), same)


def test_a_frame_is_complete_with_the_chunk_that_ends_it():
    resampler, reframer = StreamResampler(16_000, 24_000), Reframer(1920)
    counts = [len(reframer.feed(resampler.feed(np.zeros(320, np.float32)))) for _ in range(8)]
    assert counts == [0, 0, 0, 1, 0, 0, 0, 1]


def test_what_lies_above_the_new_band_does_not_fold_into_it():
    t_s = np.arange(24_000) / 48_000
    signal = np.sin(2 * np.pi * 15_000 * t_s).astype(np.float32)
    assert np.abs(resampled(signal, 48_000, 24_000, [960])[200:]).max() < 2e-4


def test_rates_that_are_none_are_refused():
    with pytest.raises(ValueError, match="rates must be positive, not 0 and 24000 Hz"):
        StreamResampler(0, 24_000)
    with pytest.raises(ValueError, match="at least 1 sample, not 0"):
        Reframer(0)


@settings(max_examples=60, deadline=None)
@given(
    frame=st.integers(1, 500),
    sizes=st.lists(st.integers(1, 700), min_size=1, max_size=8),
    count=st.integers(0, 4000),
)
def test_frames_joined_are_the_stream(frame, sizes, count):
    signal = np.arange(count)
    reframer = Reframer(frame)
    frames = [f for chunk in cut(signal, sizes) for f in reframer.feed(chunk)]
    assert all(len(f) == frame for f in frames)
    assert len(frames) == count // frame and reframer.held == count % frame
    joined = np.concatenate(frames) if frames else signal[:0]
    np.testing.assert_array_equal(joined, signal[: len(joined)])


def test_a_cleared_reframer_starts_over():
    reframer = Reframer(4)
    reframer.feed(np.arange(3))
    reframer.clear()
    assert reframer.feed(np.arange(3)) == [] and reframer.held == 3


def test_the_ratio_of_each_rate_is_small_enough_for_a_table_of_phases():
    assert all(24_000 // gcd(rate, 24_000) <= 320 for rate in RATES)
