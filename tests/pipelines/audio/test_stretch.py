"""Time-stretching: the length, the pitch, the sound, and no clicks."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipelines.audio.stretch import MAX_FACTOR, Stretcher, factor_for

RATE = 24_000
FACTORS = (0.8, 1.075, 1.25, 1.5)
SPEECH = Path(__file__).parents[3] / "fixtures" / "cmd_blue_ball_table.wav"


def stretched(pcm, factor, rate_hz=RATE, chunk=1920):
    """A whole signal, in chunks, to its end."""
    stretcher = Stretcher(rate_hz)
    parts = [stretcher.feed(pcm[i : i + chunk], factor) for i in range(0, len(pcm), chunk)]
    return np.concatenate([*parts, stretcher.finish(factor)])


def sine(hz, seconds=2.0):
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * RATE)) / RATE)


def frequency(pcm):
    """Of the strongest partial, Hz: by the phase that it gains over the signal."""
    middle = pcm[len(pcm) // 10 : -len(pcm) // 10] * np.hanning(len(pcm) - 2 * (len(pcm) // 10))
    spectrum = np.abs(np.fft.rfft(middle, 8 * len(middle)))
    return np.argmax(spectrum) * RATE / (8 * len(middle))


@pytest.fixture(scope="module")
def speech():
    import soundfile

    pcm, rate_hz = soundfile.read(SPEECH, dtype="float32")
    return pcm, rate_hz


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("hz", [100, 220, 437.3, 1000])
def test_a_sine_keeps_its_frequency_within_half_a_percent(hz, factor):
    assert frequency(stretched(sine(hz), factor)) == pytest.approx(hz, rel=0.005)


@pytest.mark.parametrize("factor", FACTORS)
def test_a_sine_keeps_its_level_and_makes_no_click(factor):
    tone = sine(220)
    out = stretched(tone, factor)
    inner = out[RATE // 10 : -RATE // 10]
    assert np.sqrt(np.mean(inner**2)) == pytest.approx(np.sqrt(np.mean(tone**2)), rel=0.03)
    assert np.abs(np.diff(inner)).max() <= 1.2 * np.abs(np.diff(tone)).max()


@pytest.mark.parametrize("factor", FACTORS)
def test_speech_keeps_its_envelope_and_makes_no_click(speech, factor):
    pcm, rate_hz = speech
    out = stretched(pcm, factor, rate_hz)
    assert np.abs(np.diff(out)).max() <= 1.3 * np.abs(np.diff(pcm)).max()
    difference_db = envelope_db(out, rate_hz) - envelope_db(pcm, rate_hz)
    assert np.abs(difference_db).max() < 1.5
    assert np.sqrt(np.mean(difference_db**2)) < 0.5


def envelope_db(pcm, rate_hz):
    """Mean power in bands half an octave wide, from 180 Hz to 5.8 kHz, over their sum."""
    width = 512
    frames = np.lib.stride_tricks.sliding_window_view(pcm, width)[::64] * np.hanning(width)
    power = np.mean(np.abs(np.fft.rfft(frames, axis=1)) ** 2, axis=0)
    hz = np.fft.rfftfreq(width, 1 / rate_hz)
    edges = 180 * 2 ** (np.arange(11) / 2)
    bands = np.array([power[(hz >= a) & (hz < b)].sum() for a, b in pairwise(edges)])
    return 10 * np.log10(bands / bands.sum())


@pytest.mark.parametrize("factor", [1.075, 1.25])
def test_speech_keeps_its_pitch(speech, factor):
    pcm, rate_hz = speech
    assert pitch(stretched(pcm, factor, rate_hz), rate_hz) == pytest.approx(
        pitch(pcm, rate_hz), rel=0.03
    )


def pitch(pcm, rate_hz):
    """Median over voiced frames of the pitch by autocorrelation, Hz."""
    width, found = round(0.04 * rate_hz), []
    low, high = round(rate_hz / 400), round(rate_hz / 60)
    for start in range(0, len(pcm) - width - high, width // 2):
        frame = pcm[start : start + width + high]
        if np.sqrt(np.mean(frame**2)) < 0.03:
            continue
        alike = np.array([frame[:width] @ frame[lag : lag + width] for lag in range(low, high)])
        power = np.array(
            [frame[lag : lag + width] @ frame[lag : lag + width] for lag in range(high)]
        )
        normal = alike / np.sqrt(power[0] * power[low:high] + 1e-9)
        if normal.max() > 0.8:
            found.append(rate_hz / (low + int(np.argmax(normal))))
    assert len(found) > 5
    return float(np.median(found))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 9000), st.floats(0.5, MAX_FACTOR), st.integers(100, 5000))
@example(4920, 0.5, 100)
def test_the_length_is_exact_and_no_chunking_changes_the_sound(n, factor, chunk):
    pcm = np.random.default_rng(n).normal(0, 0.1, n)
    out = stretched(pcm, factor, chunk=chunk)
    assert len(out) == round(n * factor) or abs(len(out) - n * factor) <= 1
    np.testing.assert_array_equal(out, stretched(pcm, factor, chunk=max(1, n)))


def test_what_is_not_stretched_is_what_came():
    pcm = np.random.default_rng(1).normal(0, 0.1, 20_000).astype(np.float32)
    np.testing.assert_allclose(stretched(pcm, 1.0), pcm, atol=1e-6)


def test_a_stream_gives_whole_blocks_and_holds_back_no_more_than_it_says():
    stretcher, given_samples = Stretcher(RATE), 0
    pcm = sine(220, 4)
    for i in range(0, len(pcm), 480):
        out = stretcher.feed(pcm[i : i + 480], 1.2)
        assert len(out) % stretcher.block == 0
        given_samples += len(out)
        owed = 1.2 * min(i + 480, len(pcm)) - given_samples
        assert owed <= 1.2 * stretcher.hold_back + stretcher.block


def test_the_factor_may_change_on_the_way():
    stretcher = Stretcher(RATE)
    pcm = sine(220)
    parts = [
        stretcher.feed(pcm[i : i + 1920], 1 + (i // 1920 % 4) / 10)
        for i in range(0, len(pcm), 1920)
    ]
    out = np.concatenate(parts)
    assert frequency(out) == pytest.approx(220, rel=0.005)
    assert len(out) == pytest.approx(1.15 * len(pcm), rel=0.03)


def test_an_impossible_factor_is_refused():
    with pytest.raises(ValueError, match="a factor lies in"):
        Stretcher(RATE).feed(sine(220), 3.0)


def test_the_factor_grows_as_the_queue_runs_short():
    assert factor_for(300, 300) == factor_for(900, 300) == 1
    assert factor_for(0, 300) == pytest.approx(1.3)
    assert factor_for(150, 300) == pytest.approx(1.15)
    assert factor_for(0, 0) == 1
