"""When the caller speaks and hangs up, on spans and times written by hand: no clock, no socket."""

import numpy as np
import pytest

from bench.caller.decisions import (
    Asked,
    HangUp,
    Speak,
    Wait,
    audible,
    decide,
    first_answer,
    greeted,
)
from bench.caller.plan import CallerTurn

MS = 1_000_000
PCM = np.zeros(16_000, np.int16)


def turn(after="start", **more):
    return CallerTurn(
        PCM, 0, 16_000, **({"after": after, "delay_ms": 0.0, "timeout_s": 2.0} | more)
    )


def asked(following=None, **more):
    """A turn that is audible from 1.0 to 1.8 s; its audio lasts from 0.9 to 2.0 s."""
    times = {"start_ns": 900, "on_ns": 1000, "off_ns": 1800, "end_ns": 2000}
    return Asked(turn(**more), following, **{name: ms * MS for name, ms in times.items()})


def heard(*spans_ms):
    return [(first * MS, end * MS) for first, end in spans_ms]


def at(state, now_ms, *spans_ms, **more):
    return decide(state, heard(*spans_ms), now_ms * MS, **more)


def test_a_stretch_counts_once_it_has_begun_and_until_it_has_ended():
    spans = heard((100, 200), (300, 400))
    assert audible(spans, 200 * MS, 299 * MS) == []
    assert audible(spans, 199 * MS, 299 * MS) == spans[:1]
    assert audible(spans, 200 * MS, 300 * MS) == spans[1:]


def test_the_last_turn_is_over_a_second_and_a_half_after_the_answer_fell_silent():
    state = asked()
    assert at(state, 3499, (1900, 2000)) == Wait()
    assert at(state, 3500, (1900, 2000)) == HangUp("ok", 2000 * MS)
    assert at(state, 3500, (1900, 2000), (3400, 3450)) == Wait()


def test_a_sound_from_before_the_end_of_the_users_speech_ends_the_trial_only_at_the_timeout():
    state = asked()
    assert at(state, 3500, (1700, 2000)) == Wait()
    assert at(state, 3801, (1700, 2000)) == HangUp("ok", 2000 * MS)


def test_silence_is_no_answer_after_the_timeout_and_right_where_none_is_wanted():
    assert at(asked(), 3800) == Wait()
    assert at(asked(), 3801) == HangUp("no_answer")
    assert at(asked(expects_answer=False), 3801) == HangUp("ok")


def test_a_babbler_is_left_a_fixed_silence_after_the_last_turn():
    assert at(asked(), 3499, (1900, 3499), listens=False) == Wait()
    assert at(asked(), 3500, (1900, 3500), listens=False) == HangUp("ok")


def test_a_turn_that_follows_the_users_own_is_scheduled_a_moment_before_that_one_ends():
    state = asked(turn("previous_end"))
    assert at(state, 1899) == Wait()
    assert at(state, 1900) == Speak(2000 * MS)


def test_a_barge_in_is_cued_by_the_answers_onset():
    state = asked(turn("agent_onset"))
    assert at(state, 1899, (1900, 2500)) == Wait()
    assert at(state, 1900, (1900, 2500)) == Speak(1900 * MS)
    assert at(state, 1200, (1100, 1200)) == Speak(1100 * MS)


def test_the_next_sentence_of_a_reply_that_was_broken_into_is_no_onset():
    state = asked(turn("agent_onset"))
    reply = (600, 900)  # ended 100 ms before the user spoke
    assert at(state, 1500, reply, (1300, 1500)) == Wait()
    assert at(state, 1900, reply, (1300, 1500), (1850, 1900)) == Speak(1850 * MS)
    long_ago = (100, 200)  # ended 800 ms before the user spoke: another reply
    assert at(state, 1500, long_ago, (1300, 1500)) == Speak(1300 * MS)


@pytest.mark.parametrize("cue", ["agent_onset", "agent_end"])
def test_a_cue_that_has_not_come_by_the_timeout_is_missed(cue):
    assert at(asked(turn(cue)), 3800) == Wait()
    assert at(asked(turn(cue)), 3801) == HangUp("cue_missed")


def test_in_a_conversation_that_goes_on_the_next_turn_follows_an_answer_that_never_came():
    state = asked(turn("agent_end", goes_on=True))
    assert at(state, 3800) == Wait()
    assert at(state, 3801) == Speak(3801 * MS)


def test_the_next_turn_is_cued_one_chunk_before_the_silence_that_it_waits_for():
    state = asked(turn("agent_end", delay_ms=800.0))
    assert at(state, 2779, (1900, 2000)) == Wait()
    assert at(state, 2780, (1900, 2000)) == Speak(2000 * MS, 2000 * MS)


def test_a_reply_from_before_the_end_of_the_users_speech_cues_the_next_turn_at_the_timeout():
    state = asked(turn("agent_end", delay_ms=800.0))
    assert at(state, 3800, (1700, 2000)) == Wait()
    assert at(state, 3801, (1700, 2000)) == Speak(2000 * MS, 2000 * MS)


def test_after_what_wants_no_answer_the_user_goes_on_at_the_timeout():
    state = asked(turn("agent_end", delay_ms=800.0), expects_answer=False)
    assert at(state, 3801) == Speak(3801 * MS)


def test_the_first_answer_is_the_first_sound_after_the_user_has_ended():
    spans = heard((1500, 1790), (1800, 1900), (1950, 2000))
    assert first_answer(asked(), spans, 1799 * MS) is None
    assert first_answer(asked(), spans, 2000 * MS) == 1800 * MS


def test_a_greeting_is_over_after_a_second_and_a_half_of_silence_or_has_not_come():
    by_ns = 3000 * MS
    assert greeted([], 0, by_ns, 2999 * MS) == Wait()
    assert greeted([], 0, by_ns, 3000 * MS) == Speak(3000 * MS)
    hello = heard((500, 900))
    assert greeted(hello, 0, by_ns, 2399 * MS) == Wait()
    assert greeted(hello, 0, by_ns, 2400 * MS) == Speak(2400 * MS)


def test_a_greeting_that_never_ends_is_waited_for_half_a_minute_more():
    endless = heard((100, 60_000))
    assert greeted(endless, 0, 3000 * MS, 32_999 * MS) == Wait()
    assert greeted(endless, 0, 3000 * MS, 33_000 * MS) == Speak(33_000 * MS, over_agent=True)


def test_a_fixture_may_ask_for_a_longer_silence():
    state = asked(wait_s=4.0)
    assert at(state, 5999, (1900, 2000)) == Wait()
    assert at(state, 6000, (1900, 2000)) == HangUp("ok", 2000 * MS)
    assert at(state, 5999, listens=False) == Wait()


def test_an_agent_that_still_works_on_its_answer_is_waited_for_one_timeout_more():
    state = asked()
    assert at(state, 3500, (1900, 2000), at_work=True) == Wait()
    # The wait ends 2 s after the last moment at which an answer was due, 3.8 s.
    assert at(state, 5800, (1900, 2000), at_work=True) == Wait()
    assert at(state, 5801, (1900, 2000), at_work=True) == HangUp("still_working", 2000 * MS)
    assert at(state, 5801, at_work=True) == HangUp("still_working")
    # Each sound of it shows that it goes on.
    assert at(state, 7400, (1900, 2000), (5000, 5400), at_work=True) == Wait()


def test_the_next_turn_waits_for_the_end_of_the_agents_work_too():
    state = asked(turn("agent_end", delay_ms=800.0))
    assert at(state, 2780, (1900, 2000), at_work=True) == Wait()
    assert at(state, 2780, (1900, 2000)) == Speak(2000 * MS, 2000 * MS)


def test_a_barge_in_does_not_wait_for_the_agents_work():
    state = asked(turn("agent_onset"))
    assert at(state, 1900, (1900, 2500), at_work=True) == Speak(1900 * MS)
