"""What holds an answer up inside the agent's process, on turns whose times are known."""

import pytest

from bench.causes.process import NOBODY
from bench.simulated.turns import RATE_HZ, TurnPlan, after_u_off, causes_of


def blocked(at_ms: float, ms: float, who: str = "Brain#0"):
    return after_u_off(at_ms, "agent", "blocked", value=ms, text=who)


def test_a_blocked_loop_lost_what_lies_between_the_user_and_the_answer_by_who_held_it():
    plan = TurnPlan()  # the answer sounds at 384 ms
    extra = [
        blocked(-50.0, 100.0),  # half of it is before the user's end
        blocked(200.0, 80.0, "Voice#0"),
        blocked(330.0, 100.0),  # 54 ms up to the answer
        blocked(2000.0, 500.0),  # while the agent speaks
    ]
    row = causes_of([plan], extra=extra)[0, "blocked_loop"]
    assert row.lost_ms == pytest.approx(50 + 80 + 54, abs=1000 / RATE_HZ)
    assert row.detail == "Brain#0: 104 ms, Voice#0: 80 ms"


def test_a_block_that_nobody_was_seen_in_says_so():
    row = causes_of([TurnPlan()], extra=[blocked(100.0, 60.0, "")])[0, "blocked_loop"]
    assert row.detail == f"{NOBODY}: 60 ms"


@pytest.mark.parametrize("at_ms", [-300.0, 400.0])
def test_a_block_outside_the_wait_for_the_answer_lost_nothing(at_ms):
    assert (0, "blocked_loop") not in causes_of([TurnPlan()], extra=[blocked(at_ms, 200.0)])


def test_a_voice_at_another_rate_lost_the_time_to_the_first_chunk():
    plan = TurnPlan(write_ms=375.0, heard_ms=376.0)
    rate = after_u_off(-1800.0, "tts", "rate", value=24000.0)
    row = causes_of([plan], extra=[rate])[0, "resampler"]
    assert (row.lost_ms, row.detail) == (35.0, f"24000 → {RATE_HZ} Hz")


def test_a_voice_at_the_links_rate_or_a_quick_resampler_lost_nothing():
    plan = TurnPlan(write_ms=375.0, heard_ms=376.0)
    own = after_u_off(-1800.0, "tts", "rate", value=float(RATE_HZ))
    other = after_u_off(-1800.0, "tts", "rate", value=24000.0)
    assert (0, "resampler") not in causes_of([plan], extra=[own])
    assert (0, "resampler") not in causes_of([plan])  # a run from before the mark
    assert (0, "resampler") not in causes_of([TurnPlan()], extra=[other])


def test_a_duplex_session_says_itself_what_its_resampler_holds_back():
    held = after_u_off(-1900.0, "duplex", "hold_back", "session", value=12.5)
    row = causes_of([TurnPlan()], extra=[held])[0, "resampler"]
    assert (row.lost_ms, row.detail) == (12.5, "on the way in")
