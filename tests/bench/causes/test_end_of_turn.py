"""What makes the end of the user's turn late, on turns whose times are known."""

from dataclasses import replace

import pytest

from bench.simulated.turns import TurnPlan, after_u_off, causes_of

SLOW = TurnPlan(
    verdict="incomplete",
    release_ms=3252.0,
    llm_request_ms=3253.0,
    first_token_ms=3280.0,
    to_tts_ms=3330.0,
    tts_request_ms=3331.0,
    first_byte_ms=3340.0,
    write_ms=3343.0,
    heard_ms=3344.0,
)
"""The end-of-turn model says incomplete 40 ms after the VAD's stop; 3 s later the turn ends."""


def test_a_turn_called_incomplete_lost_the_time_from_that_verdict_to_the_release():
    row = causes_of([SLOW])[0, "smart_turn_incomplete"]
    assert row.lost_ms == 3012.0
    assert row.detail == "probability of complete 0.25"
    assert row.loses == "answer"


def test_a_transcript_later_than_the_verdict_is_not_laid_on_the_verdict():
    late = replace(SLOW, stt_final_ms=1000.0)
    assert causes_of([late])[0, "smart_turn_incomplete"].lost_ms == 2252.0


def test_a_verdict_that_the_turn_is_complete_costs_no_limit_of_silence():
    right = after_u_off(240, "turn", "analysis", value=0.9, text="complete")
    found = causes_of([TurnPlan()], extra=[right])
    assert (0, "smart_turn_incomplete") not in found


def test_an_older_run_without_the_word_of_the_verdict_is_judged_by_its_probability():
    plan = replace(SLOW, verdict=None)
    for probability, is_found in ((0.36, True), (0.93, False)):
        mark = after_u_off(240, "turn", "analysis", value=probability)
        found = causes_of([plan], extra=[mark])
        assert ((0, "smart_turn_incomplete") in found) is is_found


def test_a_verdict_within_the_users_speech_was_right_to_say_incomplete():
    inside = after_u_off(-500, "turn", "analysis", value=0.1, text="incomplete")
    assert (0, "smart_turn_incomplete") not in causes_of([TurnPlan()], extra=[inside])


def test_the_time_of_the_end_of_turn_model_is_named_where_it_is_long():
    slow = after_u_off(245, "turn", "analysis", value=0.9, text="complete")
    quick = after_u_off(240, "turn", "analysis", value=0.9, text="complete")
    plan = TurnPlan(vad_stop_ms=190.0)
    assert causes_of([plan], extra=[slow])[0, "end_of_turn_model"].lost_ms == 55.0
    plan = TurnPlan(vad_stop_ms=200.0)
    assert (0, "end_of_turn_model") not in causes_of([plan], extra=[quick])


def test_a_stop_before_its_transcript_lost_the_time_from_the_transcript_on():
    stop = after_u_off(220, "turn", "proposed")
    plan = replace(SLOW, verdict=None, stt_final_ms=2747.0)
    row = causes_of([plan], extra=[stop], drop="vad.speech_stop")[0, "stop_before_transcript"]
    assert row.lost_ms == 505.0
    assert row.detail == "the transcript came 2527 ms after the stop"


@pytest.mark.parametrize("proposed_ms", [240, None])
def test_a_stop_after_its_transcript_or_no_proposal_at_all_lost_nothing(proposed_ms):
    extra = [] if proposed_ms is None else [after_u_off(proposed_ms, "turn", "proposed")]
    found = causes_of([replace(SLOW, verdict=None, stt_final_ms=230.0)], extra=extra)
    assert (0, "stop_before_transcript") not in found


@pytest.mark.parametrize(("stop_ms", "stop_secs", "lost"), [(230, 0.2, 200), (780, 0.8, 780)])
def test_the_vads_silence_is_lost_as_far_as_it_came_after_the_users_last_sound(
    stop_ms, stop_secs, lost
):
    plan = replace(SLOW, vad_stop_ms=stop_ms, stop_secs=stop_secs)
    row = causes_of([plan])[0, "vad_stop_secs"]
    assert row.lost_ms == lost
    assert row.detail == f"stop_secs = {stop_secs:g}"


def test_a_turn_that_ended_without_the_vad_lost_nothing_to_it():
    assert (0, "vad_stop_secs") not in causes_of([TurnPlan()], drop="vad.speech_stop")
    late = TurnPlan(vad_stop_ms=400.0)  # after the release
    assert (0, "vad_stop_secs") not in causes_of([late])


def test_a_turn_without_an_answer_or_with_random_weights_has_no_causes():
    assert causes_of([TurnPlan(heard_ms=None)]) == {}
    assert causes_of([SLOW], weights="synthetic") == {}


TIMER = replace(SLOW, verdict=None, stt_final_ms=230.0)


@pytest.mark.parametrize(
    ("release_ms", "cause", "lost_ms"),
    [
        (830.0, "silence_timer", 600.0),
        (5230.0, "turn_stop_timeout", 5000.0),
        (275.0, None, None),
    ],
)
def test_a_wait_with_nothing_to_wait_for_is_a_timers(release_ms, cause, lost_ms):
    by_ms = release_ms - 3252.0
    later = {
        name: getattr(SLOW, name) + by_ms
        for name in (
            "llm_request_ms", "first_token_ms", "to_tts_ms", "tts_request_ms", "first_byte_ms",
            "write_ms", "heard_ms",
        )
    }  # fmt: skip
    found = causes_of([replace(TIMER, release_ms=release_ms, **later)])
    timers = {name: row.lost_ms for (_, name), row in found.items() if "time" in name}
    assert timers == ({} if cause is None else {cause: lost_ms})


def test_a_stop_that_comes_twice_far_apart_shows_a_queue_that_is_behind_and_no_timer():
    again = after_u_off(405, "vad", "speech_stop", value=0.2)
    found = causes_of([TIMER], extra=[again])
    row = found[0, "pipeline_behind"]
    assert (row.lost_ms, row.detail) == (3022.0, "the VAD's stop came twice, 205 ms apart")
    assert not {name for _, name in found} & {"silence_timer", "turn_stop_timeout"}


@pytest.mark.parametrize("between", [[], [("vad", "speech_start", 300)]], ids=["close", "resumed"])
def test_a_copy_at_once_or_a_user_who_spoke_again_shows_no_queue(between):
    at_ms = 405 if between else 220
    extra = [after_u_off(at_ms, "vad", "speech_stop", value=0.2)]
    extra += [after_u_off(ms, stage, event) for stage, event, ms in between]
    found = causes_of([TIMER], extra=extra)
    assert (0, "pipeline_behind") not in found
    assert (0, "turn_stop_timeout") in found


def finals(value, wait_s):
    return [
        after_u_off(-1900, "stt", "ttfs_p99", value=wait_s),
        after_u_off(231, "stt", "final", "u0", text="put the red block down", value=value),
    ]


def test_a_transcript_that_may_be_followed_by_another_is_waited_for_until_the_p99():
    # The VAD stops at 200 ms, so the user's end is taken to be 0: released at 3,252.
    row = causes_of([TIMER], extra=finals(0.0, 3.25))[0, "unfinalised_transcript"]
    assert (row.lost_ms, row.detail) == (3021.0, "ttfs_p99 = 3.25 s")


@pytest.mark.parametrize(
    ("value", "wait_s"), [(1.0, 3.25), (None, 3.25), (0.0, 1.0)], ids=["final", "unknown", "later"]
)
def test_a_final_transcript_or_a_release_at_another_time_is_not_laid_on_the_p99(value, wait_s):
    assert (0, "unfinalised_transcript") not in causes_of([TIMER], extra=finals(value, wait_s))


OVER = [TurnPlan(speech_ms=5000.0), TurnPlan(u_on_ms=4000.0, u_off_ms=5500.0)]
"""The second turn begins over the answer to the first."""


def started(ms_after_u_on, start_secs=0.2):
    at_ms = OVER[1].u_on_ms - OVER[0].u_off_ms + ms_after_u_on
    return [after_u_off(at_ms, "vad", "speech_start", value=start_secs)]


def test_a_late_vad_start_over_a_reply_lost_what_is_above_its_start_secs():
    row = causes_of(OVER, extra=started(290))[1, "vad_start_late"]
    assert row.lost_ms == 90.0


def test_a_vad_start_in_time_or_in_silence_lost_nothing_of_a_stop():
    assert (1, "vad_start_late") not in causes_of(OVER, extra=started(240))
    apart = [TurnPlan(), TurnPlan(u_on_ms=6000.0, u_off_ms=7500.0)]
    assert not [name for _, name in causes_of(apart, extra=started(390)) if "vad_start" in name]
