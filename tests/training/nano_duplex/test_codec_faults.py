"""The audible faults, on sounds whose figures are known; word errors; what the judge pairs up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipelines.duplex.nano.sound import FRAME, RATE_HZ
from training.nano_duplex.agent_codec import Encoded
from training.nano_duplex.codec_faults import frame_roughness, pause_level_db, periodicity
from training.nano_duplex.judge_codec import resynthesise, word_errors

SECONDS = 4
T = np.arange(SECONDS * RATE_HZ) / RATE_HZ
VOICE = np.sum([0.1 * np.sin(2 * np.pi * 120 * k * T) for k in range(1, 6)], axis=0).astype(
    np.float32
)
NOISE = (0.1 * np.random.default_rng(1).standard_normal(len(T))).astype(np.float32)


def test_a_steady_voice_is_wholly_periodic_and_the_same_voice_in_noise_is_less_so():
    was, became = periodicity(VOICE, VOICE + NOISE)
    assert was == pytest.approx(1.0, abs=0.01)
    # Signal power 5 · .1² / 2 = .025, noise .01: the autocorrelation is .025 / .035 = .71.
    assert became == pytest.approx(0.71, abs=0.05)


def test_without_voice_there_is_no_periodicity_to_speak_of():
    assert np.isnan(periodicity(np.zeros(RATE_HZ, np.float32), VOICE[:RATE_HZ])).all()
    assert np.isnan(periodicity(NOISE, NOISE)).all()


def test_clicks_at_frame_edges_are_rough_and_clicks_at_other_times_are_not():
    clicks, elsewhere = NOISE.copy(), NOISE.copy()
    clicks[::FRAME] += 3.0
    elsewhere[::2400] += 3.0
    assert frame_roughness(NOISE) == pytest.approx(1.0, abs=0.5)
    assert frame_roughness(clicks) > 5
    assert frame_roughness(elsewhere) < 2


def test_noise_in_pauses_is_measured_in_dbfs_and_only_there():
    original = VOICE.copy()
    original[RATE_HZ : 2 * RATE_HZ] = 0.0
    decoded = original + 0.01 * NOISE  # −60 dBFS
    assert pause_level_db(original, decoded) == pytest.approx(-60.0, abs=0.3)
    assert np.isnan(pause_level_db(VOICE, decoded))


def test_word_errors_are_a_share_of_the_words_wanted():
    assert word_errors(["put the red block", "yes"], ["put a red block", "yes"]) == 20.0


def test_a_pair_is_aligned_by_the_codecs_own_delay():
    class Late:
        """A codec that gives what it got, 480 samples late."""

        delay = 480

        def encode(self, pcm):
            self._pcm = pcm
            return Encoded(
                np.zeros((len(pcm) // FRAME, 8), np.int64), np.zeros((1, 96), np.float32)
            )

        def decode(self, codes):
            return np.concatenate([np.zeros(480, np.float32), self._pcm])[: len(codes) * FRAME]

    late: Any = Late()
    pair = resynthesise(late, "a", VOICE[:5000])
    assert np.array_equal(pair.original, pair.decoded)
    assert np.array_equal(pair.original[4 * FRAME :][:5000], VOICE[:5000])
