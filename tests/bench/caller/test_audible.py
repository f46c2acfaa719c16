"""What the caller hears live of an agent whose channel is never silent."""

import numpy as np
import pytest

from bench.caller.ear import Ear

MS = 1_000_000
T0 = 5_000 * MS
RATE = 24_000
CHUNK = RATE // 50
AMPLITUDE = 32768 * np.sqrt(2) / 100
"""Of a hum at −40 dBFS."""


def hum(ms, level=1.0):
    """A hum of 50 Hz over so many ms, and ``level`` times −40 dBFS."""
    wave = np.sin(2 * np.pi * 50 * np.arange(ms * RATE // 1000) / RATE)
    return np.rint(level * AMPLITUDE * wave).astype(np.int16)


def heard(pcm, cuts=()):
    """An ear that has received audio in chunks of 20 ms from t0 on; cuts: ms of clears."""
    ear = Ear(RATE, T0)
    for k in range(len(pcm) // CHUNK):
        now = T0 + 20 * k * MS
        for number, cut in enumerate(cuts):
            if cut == 20 * k:
                ear.clear(number + 1, now)
        generation = sum(cut <= 20 * k for cut in cuts)
        ear.receive(f"g{generation}:{k}", generation, pcm[k * CHUNK : (k + 1) * CHUNK], now)
    return ear


def spans_ms(ear):
    return [(round((a - T0) / MS), round((b - T0) / MS)) for a, b in ear.audible]


def said(pcm, *spans_ms):
    pcm = pcm.copy()
    for a, b in spans_ms:
        pcm[a * RATE // 1000 : b * RATE // 1000] = 6000
    return pcm


def test_ambience_is_a_sound_until_three_seconds_of_it_are_known():
    pcm = said(hum(8000), (1000, 1400), (5000, 5600))
    assert spans_ms(heard(pcm[: 2900 * RATE // 1000])) == [(1, 2899)]
    assert spans_ms(heard(pcm[: 3100 * RATE // 1000])) == [(1000, 1400)]
    assert spans_ms(heard(pcm)) == [(1000, 1400), (5000, 5600)]


def test_a_channel_that_falls_silent_is_heard_as_it_always_was():
    ear = heard(said(np.zeros(8 * RATE, np.int16), (1003, 1400), (1450, 1507), (5000, 5600)))
    assert spans_ms(ear) == [(1003, 1507), (5000, 5600)]


def test_a_loud_steady_sound_is_no_ambience():
    ear = heard(hum(8000, level=10))
    assert spans_ms(ear) == [(0, 8000)]
    assert ear.quietest_dbfs == pytest.approx(-20, abs=0.01)


def test_a_clear_cuts_what_rises_above_ambience():
    ear = heard(said(hum(8000), (4000, 7000)), cuts=[])
    assert spans_ms(ear) == [(4000, 7000)]
    ear.clear(1, T0 + 5000 * MS)
    assert spans_ms(ear) == [(4000, 5000)]


def test_ambience_goes_on_after_a_clear():
    ear = heard(said(hum(8000), (6000, 6400)), cuts=[4000, 5000])
    assert spans_ms(ear) == [(6000, 6400)]


def test_ambience_at_an_odd_rate_and_in_odd_chunks():
    rate = 22_050
    wave = np.sin(2 * np.pi * 50 * np.arange(8 * rate) / rate)
    pcm = np.rint(AMPLITUDE * wave).astype(np.int16)
    pcm[5 * rate : 5 * rate + 11_025] = 6000
    ear = Ear(rate, T0)
    for k, start in enumerate(range(0, len(pcm), 317)):
        ear.receive(f"g0:{k}", 0, pcm[start : start + 317], T0 + k * 10 * MS)
    assert spans_ms(ear) == [(5000, 5500)]
