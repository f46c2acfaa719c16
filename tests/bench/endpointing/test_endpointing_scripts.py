"""The two scripts beside ``duplex-lab endpointing``: recordings as turns, and the page's tables."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "scripts"))

import endpointing_people
import endpointing_tables

RATE_HZ = 16_000


@pytest.fixture
def spoken(tmp_path: Path) -> Path:
    """A tone of 0.5 s, a dip of 60 ms, another 0.5 s, and 0.3 s of the room."""
    rng = np.random.default_rng(0)
    tone = np.sin(np.arange(RATE_HZ // 2) * 2 * np.pi * 200 / RATE_HZ) * 8000
    sound = np.concatenate([tone, np.zeros(960), tone, np.zeros(4800)])
    sound += rng.normal(0, 5, len(sound))
    path = tmp_path / "reader.wav"
    soundfile.write(path, sound.astype(np.int16), RATE_HZ)
    return path


def test_a_short_dip_is_no_pause_until_it_is_stretched(spoken: Path) -> None:
    plain = endpointing_people.turn_of(spoken)
    (end,) = plain.silences
    assert end.start_s == pytest.approx(1.06, abs=0.011)
    stretched = endpointing_people.turn_of(spoken, 0.7)
    pause, end = stretched.silences
    assert pause.start_s == pytest.approx(0.5, abs=0.011)
    assert pause.length_s == pytest.approx(0.7)
    assert end.start_s == pytest.approx(1.7, abs=0.021)
    assert end.length_s == pytest.approx(3.6, abs=0.001)


def test_the_room_fills_a_stretched_pause(spoken: Path) -> None:
    turn = endpointing_people.turn_of(spoken, 0.7)
    pause = turn.silences[0]
    inside = turn.pcm[round(pause.start_s * RATE_HZ) + 200 : round(pause.end_s * RATE_HZ) - 200]
    assert 0 < np.abs(inside).max() < 40


def test_a_ratio_of_medians_is_of_the_same_turns() -> None:
    base = [100.0 + i for i in range(99)]
    ratio, low, high = endpointing_tables.ratio_of_medians(base, [2 * value for value in base])
    assert (ratio, low, high) == (2.0, 2.0, 2.0)


def test_a_gain_is_plain_minus_eager_turn_by_turn() -> None:
    heard = {
        (preset, ttft_ms): values
        for ttft_ms in endpointing_tables.TTFT_MS
        for preset, values in (
            (endpointing_tables.PLAIN, [300.0, 310.0, 320.0]),
            (endpointing_tables.EAGER, [100.0, 150.0, 900.0]),
        )
    }
    row = endpointing_tables.slow_table(heard).splitlines()[2]
    assert row == "| 0 | 310 | 150 | 160 | -580 | 200 | 3 |"
