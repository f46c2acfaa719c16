"""scripts/soak.py: what it says of an hour, on hours whose answer is known."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))

from soak import Ended, Soak, growth, line, told


def hour(grows=0.0, slows_ms=0.0, fault=""):
    """An hour with a look each 5 s and an answer each 10 s."""
    memory = [(float(t), 400.0 * (1 + grows * t / 3600)) for t in range(0, 3600, 5)]
    ended = [Ended(t, "", (300.0 + slows_ms * t / 3600,), 0, 0, 0.0, False)
             for t in range(10, 3600, 10)]  # fmt: skip
    return Soak([*ended, Ended(3599.0, fault, (), 1, 2, 30.0, True)], memory)


def test_growth_is_from_the_first_tenth_after_the_warm_up_to_the_last():
    assert growth([(t, float(t)) for t in range(1000)], 500.0) == (524.5, 974.5)
    assert growth([(t, 1.0) for t in range(9)], 0.0) is None


def test_a_steady_hour_is_well():
    said, well = told(hour(), 300.0)
    assert well
    assert said == [
        "memory: 400.0 MB after the warm-up, 400.0 MB at the end: +0.00 % (at most 2 %)",
        "drift: latency +0.0 ms an hour (+0.0 … +0.0), 330 answers: no drift",
        "360 conversations, 0 faults, 0 refused since all seats were taken, 2 holes of 30 ms in "
        "all",
    ]


def test_growth_drift_and_a_fault_are_said():
    said, well = told(hour(grows=0.03), 300.0)
    assert not well and "+2.4" in said[0]
    said, _ = told(hour(slows_ms=60.0), 300.0)
    assert said[1] == "drift: latency +60.0 ms an hour (+60.0 … +60.0), 330 answers: DRIFT"
    said, well = told(hour(fault="dialogue_door: error gone"), 300.0)
    assert not well and said[-1] == "fault: dialogue_door: error gone"


def test_a_line_counts_what_ended_in_its_time():
    assert line(hour(fault="x"), 3_300.0, 3_600.0) == (
        " 55.0–60.0 min: 31 conversations, 1 faults, 0 refused, 1 turns without an answer, 1 with "
        "a late caller; answers p50 300 ms, holes 2 (30 ms), memory 400.0 MB"
    )
