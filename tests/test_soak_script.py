"""scripts/soak.py: what it says of an hour, on hours whose answer is known."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))

import numpy as np
import pytest
from soak import Ended, Kept, Look, Soak, growth, line, look, told


def hour(grows=0.0, slows_ms=0.0, fault=""):
    """An hour with a look each 5 s and an answer each 10 s; the server's process grows."""
    looks = [Look(float(t), 100.0 + 400.0 * grows * t / 3600, 300.0) for t in range(0, 3600, 5)]
    ended = [Ended(t, "", (300.0 + slows_ms * t / 3600,), 0, 0, 0.0, False)
             for t in range(10, 3600, 10)]  # fmt: skip
    rest = Look(0.0, 90.0, 300.0), Look(3610.0, 95.0, 300.5)
    return Soak([*ended, Ended(3599.0, fault, (), 1, 2, 30.0, True)], looks, rest)


def test_growth_is_from_the_first_tenth_after_the_warm_up_to_the_last():
    looks = [Look(t, float(t), 1.0) for t in range(1000)]
    assert growth(looks, 500.0) == (Look(524.5, 524.5, 1.0), Look(974.5, 974.5, 1.0))
    assert growth(looks[:9], 0.0) is None


def test_a_steady_hour_is_well():
    said, status = told(hour(), 300.0)
    assert status == 0
    assert said == [
        "at rest: 390.0 MB before the first conversation, 395.5 MB after the last (server 90.0 and "
        "95.0)",
        "memory: 400.0 MB at first, 400.0 MB after the warm-up, 400.0 MB at the end: +0.00 % (at "
        "most 2 %); server +0.0 MB, models +0.0 MB",
        "drift: latency +0.0 ms an hour (+0.0 … +0.0), 330 answers: none (at most 6.0)",
        "360 conversations, 0 faults, 0 refused since all seats were taken, 2 holes of 30 ms in "
        "all",
        "verdict: kept: memory, drift, faults",
    ]


def test_growth_drift_and_a_fault_are_said():
    said, status = told(hour(grows=0.03), 300.0)
    assert status == 1 and "+2.4" in said[1] and said[1].endswith("server +9.9 MB, models +0.0 MB")
    assert said[-1] == "verdict: NOT kept: memory"
    said, status = told(hour(slows_ms=60.0), 300.0)
    assert status == 1
    assert said[2] == (
        "drift: latency +60.0 ms an hour (+60.0 … +60.0), 330 answers: DRIFT (at most 6.6)"
    )
    said, status = told(hour(slows_ms=3.0), 300.0)
    assert status == 0 and said[2].endswith("330 answers: too small to count (at most 6.0)")
    said, status = told(hour(fault="dialogue_door: error gone"), 300.0)
    assert status == 1 and said[-2:] == [
        "fault: dialogue_door: error gone",
        "verdict: NOT kept: faults",
    ]


def test_a_soak_that_is_too_short_says_that_it_can_say_nothing():
    said, status = told(Soak(), 300.0)
    assert status == 2 and said[-1] == "verdict: too little to say: memory, drift, faults"


def test_figures_are_kept_as_they_come(tmp_path):
    kept = Kept(tmp_path / "soak.jsonl")
    kept.put("look", t_s=5.0, server_mb=1.0)
    assert (tmp_path / "soak.jsonl").read_text() == (
        '{"what": "look", "t_s": 5.0, "server_mb": 1.0}\n'
    )
    with pytest.raises(OSError):
        Kept(tmp_path / "none" / "soak.jsonl")


def test_a_look_counts_what_a_process_holds_itself_and_no_file_that_it_maps(tmp_path):
    before = look(os.getpid(), 0.0).server_mb
    own = np.ones(32 << 20, np.uint8)
    grown = look(os.getpid(), 1.0).server_mb
    assert 31.0 < grown - before < 40.0
    (tmp_path / "file").write_bytes(bytes(32 << 20))
    mapped = np.memmap(tmp_path / "file", np.uint8, "r")
    assert int(mapped.sum()) + int(own[0]) == 1  # all of its pages are there now
    if sys.platform == "linux":
        assert look(os.getpid(), 2.0).server_mb - grown < 8.0


def test_a_line_counts_what_ended_in_its_time():
    assert line(hour(fault="x"), 3_300.0, 3_600.0) == (
        " 55.0–60.0 min: 31 conversations, 1 faults, 0 refused, 1 turns without an answer, 1 with "
        "a late caller; answers p50 300 ms, holes 2 (30 ms), memory 400.0 MB"
    )
    assert line(Soak(), 0.0, 60.0) == (
        "  0.0–1.0 min: 0 conversations, 0 faults, 0 refused, 0 turns without an answer, 0 with a "
        "late caller; holes 0 (0 ms), memory not looked at"
    )
