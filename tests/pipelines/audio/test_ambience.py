"""Ambience under speech: signals whose level and speech are known beforehand."""

import numpy as np
import pytest

from pipelines.audio.ambience import ambience_dbfs, audible_in, dbfs, threshold_dbfs, window_levels
from pipelines.audio.onsets import Span, audible_spans

RATE = 16_000
TEN_S = 10 * RATE


def hum(level: float, hz: float = 50, n: int = TEN_S) -> np.ndarray:
    amplitude = 32768 * np.sqrt(2) * 10 ** (level / 20)
    return np.rint(amplitude * np.sin(2 * np.pi * hz * np.arange(n) / RATE)).astype(np.int16)


def noise(level: float, n: int = TEN_S) -> np.ndarray:
    signal = np.random.default_rng(0).normal(0, 32768 * 10 ** (level / 20), n)
    return np.clip(np.rint(signal), -32768, 32767).astype(np.int16)


def speech(pcm: np.ndarray, *spans: Span, value: int = 6000) -> np.ndarray:
    """Sound of a constant level in place of what was there."""
    pcm = pcm.copy()
    for span in spans:
        pcm[span.start : span.end] = value
    return pcm


def syllables(n: int) -> np.ndarray:
    """Speech-like sound without a pause: 200 ms up and down in loudness, by 60 dB."""
    shape = 10 ** (-3 * np.abs(2 * (np.arange(n) / (RATE / 5) % 1) - 1))
    return np.rint(hum(-12, 200, n) * shape).astype(np.int16)


SAID = (Span(50_000, 66_000), Span(90_000, 120_000))


@pytest.mark.parametrize("level", [-52, -45, -40, -35, -31])
@pytest.mark.parametrize("kind", [hum, noise])
def test_ambience_is_found_at_its_level_and_speech_above_it_to_the_sample(kind, level):
    spans, found = audible_in(speech(kind(level), *SAID), RATE)
    assert found == pytest.approx(level, abs=0.5)
    if kind is hum:
        assert tuple(spans) == SAID
    for span, said in zip(spans, SAID, strict=True):  # a peak of noise may touch a loud window
        assert (abs(span.start - said.start), abs(span.end - said.end)) <= (80, 80)


@pytest.mark.parametrize("hz", [50, 60, 100, 1000])
def test_a_hum_of_any_pitch_holds_no_speech(hz):
    spans, found = audible_in(hum(-40, hz), RATE)
    assert (spans, dbfs(found)) == ([], "−40 dBFS")


def test_a_clean_channel_is_cut_as_it_always_was():
    clean = speech(np.zeros(TEN_S, np.int16), *SAID)
    assert audible_in(clean, RATE) == (list(SAID), None)
    assert threshold_dbfs(None) == -50


@pytest.mark.parametrize("gain", [1, 0.3, 0.1, 0.03, 0.01])
def test_speech_without_a_pause_is_no_ambience_however_soft(gain):
    pcm = (syllables(TEN_S) * gain).astype(np.int16)
    assert audible_in(pcm, RATE) == (audible_spans(pcm, RATE), None)


def test_noise_that_nothing_would_hear_changes_nothing():
    pcm = speech(hum(-56), *SAID)
    assert audible_in(pcm, RATE) == (list(SAID), None)


def test_a_steady_sound_as_loud_as_speech_is_no_ambience():
    assert audible_in(hum(-25), RATE) == (audible_spans(hum(-25), RATE), None)


def test_ambience_that_starts_late_is_found():
    pcm = hum(-40)
    pcm[:80_000] = 0
    spans, found = audible_in(speech(pcm, *SAID), RATE)
    assert (tuple(spans), dbfs(found)) == (SAID, "−40 dBFS")


def test_ambience_for_less_than_three_seconds_tells_nothing():
    pcm = np.zeros(TEN_S, np.int16)
    pcm[RATE : 3 * RATE] = hum(-40, n=2 * RATE)
    assert audible_in(pcm, RATE)[1] is None
    assert ambience_dbfs(window_levels(pcm[: 2 * RATE], RATE)) is None


def test_comfort_noise_only_around_speech_leaves_the_channel_silent_between():
    pcm = np.zeros(TEN_S, np.int16)
    for said in SAID:
        pcm[said.start - 3200 : said.end + 3200] = hum(-40, n=said.end - said.start + 6400)
    with_noise = speech(pcm, *SAID)
    assert audible_in(with_noise, RATE) == (audible_spans(with_noise, RATE), None)


def test_ambience_that_rises_in_pauses_counts_at_its_loudest():
    """An automatic gain: 12 dB down while somebody speaks, and up again within a second."""
    gain_db = np.zeros(TEN_S)
    for said in SAID:
        gain_db[said.start : said.end] = -12
        gain_db[said.end : said.end + RATE] = np.linspace(-12, 0, RATE)
    pcm = np.rint(hum(-38) * 10 ** (gain_db / 20)).astype(np.int16)
    spans, found = audible_in(speech(pcm, *SAID), RATE)
    assert (tuple(spans), dbfs(found)) == (SAID, "−38 dBFS")


def test_holes_in_ambience_are_no_sounds():
    """An agent that stalls: what comes after the hole is no onset."""
    pcm = hum(-40)
    pcm[60_000:65_000] = 0
    pcm[100_000:103_000] = 0
    assert audible_in(pcm, RATE)[0] == []


def test_speech_that_does_not_rise_above_ambience_is_not_heard():
    pcm = hum(-40)
    pcm[50_000:66_000] = hum(-33, 300, 16_000)
    spans, found = audible_in(pcm, RATE)
    assert (spans, dbfs(threshold_dbfs(found))) == ([], "−30 dBFS")
