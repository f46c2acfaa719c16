"""Turn-taking, in conversations with times written by hand: exact answers, or why none."""

from dataclasses import replace

import pytest

from bench.metrics.compute import compute_trial
from bench.metrics.turn_taking import BY_ITSELF, NO_EVENT, NO_REPLY, ROWS
from bench.metrics.validity import NO_LABELS, SYNTHETIC
from bench.simulated.turn_taking import (
    T0_NS,
    TurnTakingPlan,
    turn_taking_labels_of,
    turn_taking_trial_of,
)
from bench.store.records import MetricRow
from bench.timeline.answers import Sound, replies_of
from bench.timeline.replies import LEFT_UNKNOWN
from bench.timeline.timeline import NO_RECORDING
from pipelines.clock import NS_PER_MS
from pipelines.kinds import Weights
from pipelines.marks import stamp

Rows = dict[tuple[int, str], MetricRow]


def rows_of(plan, *, extra=(), labels=True, recorded=True, **more) -> Rows:
    trial, marks, pcm = turn_taking_trial_of(plan, **more)
    known = turn_taking_labels_of(trial.fixture, plan) if labels else None
    rows = compute_trial(trial, [*marks, *extra], pcm if recorded else None, known)
    return {(row.turn, row.metric): row for row in rows}


def told(row: MetricRow) -> tuple[float | None, str | None]:
    return row.value, row.reason


def mark(ms, stage, event, rid="", **more):
    t_ns = T0_NS + round(ms * NS_PER_MS)
    return stamp(stage, event, t_ns=t_ns, request_id=rid, **more)


CUT = TurnTakingPlan()
"""The reply would last 6 s; the user breaks in at 4000 ms, the last sound is at 4350."""
BACKCHANNEL = TurnTakingPlan(event="backchannel", speaks=(4000, 4300), then=None)


# 14: barge-in


def test_a_barge_in_stops_at_the_last_sound_of_the_reply_and_was_decided_before():
    rows = rows_of(CUT)
    assert told(rows[1, "barge_in_stop"]) == (350.0, None)
    assert told(rows[1, "barge_in_yield"]) == (340.0, None)
    assert told(rows[1, "yield_rate"]) == (100.0, None)
    assert told(rows[1, "barge_in_censored"]) == (None, "it stopped")


def test_a_reply_that_goes_on_for_2_s_is_censored_there_and_did_not_yield():
    rows = rows_of(replace(CUT, reply=(2500, 6001), then=None))
    sentence = "censored at 2000 ms: it spoke on"
    assert told(rows[1, "barge_in_stop"]) == (None, sentence)
    assert told(rows[1, "barge_in_censored"]) == (2000.0, sentence)
    assert told(rows[1, "yield_rate"]) == (0.0, None)
    assert rows[1, "barge_in_yield"].value is None


def test_a_stop_at_exactly_2_s_is_one():
    rows = rows_of(replace(CUT, reply=(2500, 6000), then=None))
    assert (rows[1, "barge_in_stop"].value, rows[1, "yield_rate"].value) == (2000.0, 100.0)


def test_a_reply_that_ends_by_itself_is_censored_and_says_nothing_of_yielding():
    rows = rows_of(replace(CUT, ending="itself", reply=(2500, 5000)))
    assert told(rows[1, "barge_in_stop"]) == (None, f"censored: {BY_ITSELF}")
    assert told(rows[1, "barge_in_censored"]) == (1000.0, f"censored: {BY_ITSELF}")
    assert told(rows[1, "yield_rate"]) == (None, f"censored: {BY_ITSELF}")


def test_a_clear_that_found_nothing_to_cut_is_no_stop():
    nothing = [
        mark(4900, "link", "clear", value=2.0),
        mark(4900, "ear", "cleared", "g1:9", value=0),
    ]
    rows = rows_of(replace(CUT, ending="itself", reply=(2500, 5000)), extra=nothing)
    assert rows[1, "barge_in_stop"].value is None


@pytest.mark.parametrize(("asked_ms", "stopped"), [(2400.0, True), (4500.0, False)])
def test_a_cancelled_request_stops_the_reply_only_if_it_was_that_replys(asked_ms, stopped):
    marks = [mark(asked_ms, "llm", "request", "l9"), mark(4990, "llm", "cancelled", "l9")]
    rows = rows_of(replace(CUT, ending="itself", reply=(2500, 5000)), extra=marks)
    assert rows[1, "barge_in_stop"].value == (1000.0 if stopped else None)


def test_less_than_3_s_of_reply_left_is_no_barge_in():
    # 1.5 s of it were heard when the user broke in.
    rows = rows_of(replace(CUT, reply_meant_ms=4499.0))
    sentence = "only 2999 ms of the reply were left, 3000 are needed"
    for metric in ("barge_in_stop", "barge_in_censored", "barge_in_yield", "yield_rate"):
        assert told(rows[1, metric]) == (None, sentence)
    assert rows_of(replace(CUT, reply_meant_ms=4500.0))[1, "barge_in_stop"].value == 350.0


def test_where_nobody_knows_what_was_left_the_figure_says_so():
    rows = rows_of(replace(CUT, reply_meant_ms=None))
    assert told(rows[1, "barge_in_stop"]) == (350.0, LEFT_UNKNOWN)


def test_a_user_who_speaks_into_silence_breaks_into_nothing():
    rows = rows_of(replace(CUT, reply=(2500, 3900)))
    assert told(rows[1, "barge_in_stop"]) == (None, NO_REPLY)
    assert told(rows[1, "yield_rate"]) == (None, NO_REPLY)


def test_the_end_of_the_recording_is_no_stop():
    rows = rows_of(replace(CUT, ending="itself", reply=(2500, 5000), total_ms=5000, then=None))
    assert told(rows[1, "barge_in_censored"]) == (1000.0, "censored: the recording ended")


def test_an_answer_at_once_after_a_clear_is_no_part_of_the_reply_that_was_cut():
    rows = rows_of(replace(CUT, then=(4600, 7000)))
    assert rows[1, "barge_in_stop"].value == 350.0


DUPLEX = replace(CUT, ending="yielded", decided_ms=4655.0, reply=(2500, 4660))


def test_a_duplex_model_that_tells_that_it_yields_is_believed():
    rows = rows_of(DUPLEX, weights="scripted")
    assert told(rows[1, "barge_in_stop"]) == (660.0, None)
    assert told(rows[1, "barge_in_yield"]) == (655.0, None)
    # 4655 − 2500 were said of 4000: 1845 are left at the yield, so 2500 when the user broke in.
    short = rows_of(replace(DUPLEX, reply_meant_ms=4000.0), weights="scripted")
    sentence = "only 2500 ms of the reply were left, 3000 are needed"
    assert told(short[1, "barge_in_stop"]) == (None, sentence)


def test_a_duplex_model_that_tells_nothing_stopped_unless_its_script_would_have():
    trial, marks, pcm = turn_taking_trial_of(DUPLEX)
    silent = [m for m in marks if m.event != "yielded"]
    weights: Weights
    for weights, expected in (
        ("trained", (660.0, LEFT_UNKNOWN)),
        ("scripted", (None, f"censored: {BY_ITSELF}")),
    ):
        rows = compute_trial(
            replace(trial, weights=weights), silent, pcm, turn_taking_labels_of("x", DUPLEX)
        )
        (row,) = [r for r in rows if (r.turn, r.metric) == (1, "barge_in_stop")]
        assert told(row) == expected


# 15: false interruptions, early starts


@pytest.mark.parametrize(
    ("stopped_ms", "value"), [(4200.0, 100.0), (5300.0, 100.0), (5300.1, 0.0), (8000.0, 0.0)]
)
def test_a_stop_up_to_1_s_after_a_backchannel_is_a_false_one(stopped_ms, value):
    plan = replace(BACKCHANNEL, reply=(2500, stopped_ms), reply_meant_ms=7000, decided_ms=4100)
    rows = rows_of(plan)
    assert told(rows[1, "false_interruption"]) == (value, None)
    assert told(rows[1, "barge_in_stop"]) == (None, NO_EVENT)


@pytest.mark.parametrize("event", ["cough", "side_talk"])
def test_coughs_and_side_talk_count_as_backchannels_do(event):
    assert rows_of(replace(BACKCHANNEL, event=event))[1, "false_interruption"].value == 100.0


def test_a_reply_that_ends_by_itself_after_a_backchannel_tells_nothing():
    rows = rows_of(replace(BACKCHANNEL, ending="itself", reply=(2500, 5000)))
    assert told(rows[1, "false_interruption"]) == (None, BY_ITSELF)


def test_a_backchannel_into_silence_stops_nothing():
    rows = rows_of(replace(BACKCHANNEL, reply=(2500, 3500)))
    assert told(rows[1, "false_interruption"]) == (None, NO_REPLY)
    assert told(rows_of(CUT)[1, "false_interruption"]) == (None, NO_EVENT)


PAUSED = replace(CUT, asks=(500, 3000), pauses=((1000, 1500), (2000, 2600)), speaks=(7000, 8000))


@pytest.mark.parametrize(
    ("onset_ms", "onsets"), [(999.0, 0), (1000.0, 1), (1499.0, 1), (1500.0, 0), (2300.0, 1)]
)
def test_a_reply_that_begins_inside_a_labelled_pause_is_premature(onset_ms, onsets):
    rows = rows_of(replace(PAUSED, reply=(onset_ms, 4350.0)))
    assert rows[0, "pauses"].value == 2.0
    assert rows[0, "pause_onsets"].value == onsets
    assert rows[0, "premature_start"].value == 50.0 * onsets
    assert told(rows[1, "premature_start"]) == (None, "no pause is labelled in the turn")


def test_two_replies_in_two_pauses_are_two_premature_starts():
    plan = replace(PAUSED, reply=(1200.0, 1700.0), then=(2400.0, 2800.0))
    rows = rows_of(plan)  # the first was cut, so that the second is a reply of its own
    assert rows[0, "premature_start"].value == 100.0


def test_what_goes_on_with_an_earlier_sentence_does_not_begin_in_the_pause():
    plan = replace(PAUSED, ending="itself", reply=(700.0, 1700.0), then=(2400.0, 2800.0))
    assert rows_of(plan)[0, "pause_onsets"].value == 0.0  # 700 ms lie between them


# 16: taking the floor


def test_nobody_takes_the_floor_without_a_sound():
    rows = rows_of(replace(CUT, then=None))
    assert told(rows[1, "takeover_compatible"]) == (0.0, "no reply began")


def said(text: str):
    return mark(6000, "agent", "answer_text", "l1", text=text)


@pytest.mark.parametrize(
    ("length_ms", "extra", "value"),
    [
        (1000.0, [], 100.0),
        (999.0, [said("Okay, I stop.")], 0.0),
        (999.0, [said("Okay, I do stop.")], 100.0),
        (999.0, [], None),
    ],
)
def test_a_reply_of_1_s_or_of_4_words_takes_the_floor(length_ms, extra, value):
    rows = rows_of(replace(CUT, then=(6000.0, 6000.0 + length_ms)), extra=extra)
    for metric in ("takeover_compatible", "takeover_strict"):
        assert rows[1, metric].value == value


def test_a_reply_that_begins_before_the_user_has_ended_is_no_takeover_to_the_strict():
    rows = rows_of(replace(CUT, then=(5200.0, 7500.0)))
    assert rows[1, "takeover_compatible"].value == 100.0
    assert told(rows[1, "takeover_strict"]) == (0.0, "no reply began")


# 17: both


def test_overlap_is_the_time_of_both_per_time_of_either():
    # The user 500–2000 and 4000–5500, the agent 2500–4350 and 6000–7500: both for 350 of 6000 ms.
    assert rows_of(CUT)[-1, "overlap"].value == pytest.approx(100 * 350 / 6000)
    # Pauses are no speech of the user's: 1400 and 1000 ms; the agent 2200–4350 and 6000–7500,
    # of which 2600–3000 (the pause ends at 2600) and 7000–7500 are both.
    rows = rows_of(replace(PAUSED, reply=(2200.0, 4350.0)))
    assert rows[-1, "overlap"].value == pytest.approx(100 * 900 / (1400 + 1000 + 3650 - 900))


def test_short_sounds_of_the_agent_over_the_user_are_its_backchannels_unless_cut():
    plan = replace(CUT, ending="itself", reply=(1000.0, 1400.0), then=(6000.0, 6400.0))
    assert rows_of(plan)[-1, "backchannels_per_min"].value == 20.0  # 1 in 3 s of the user's speech
    assert rows_of(replace(plan, ending="cut"))[-1, "backchannels_per_min"].value == 0.0


@pytest.mark.parametrize("metric", ["backchannel_jsd", "gap_w1"])
def test_what_can_not_be_measured_is_in_the_table_and_says_why(metric):
    row = rows_of(CUT)[-1, metric]
    assert row.value is None
    assert row.reason.startswith("not measured: ")


def test_of_one_conversation_the_capacity_is_null_and_says_what_finds_it():
    row = rows_of(CUT)[-1, "capacity"]
    assert told(row) == (None, "of many calls at once: duplex-lab capacity finds it")


# All of them


def test_synthetic_weights_are_refused():
    rows = rows_of(CUT, weights="synthetic")
    names = {m.name for m in ROWS if m.group == "turn_taking"}
    found = {row.metric: told(row) for row in rows.values() if row.metric in names}
    assert found == dict.fromkeys(names, (None, SYNTHETIC))


def test_without_labels_or_a_recording_there_is_nothing_to_say():
    unlabelled, unheard = rows_of(CUT, labels=False), rows_of(CUT, recorded=False)
    for metric in ("barge_in_stop", "yield_rate", "false_interruption", "premature_start"):
        assert told(unlabelled[1, metric]) == (None, NO_LABELS)
    for metric in ("barge_in_stop", "yield_rate", "takeover_strict", "pause_onsets"):
        assert told(unheard[1, metric]) == (None, NO_RECORDING)
    for metric in ("overlap", "backchannels_per_min"):
        assert told(unheard[-1, metric]) == (None, NO_RECORDING)


def test_a_null_has_a_reason():
    plans = (CUT, BACKCHANNEL, DUPLEX, PAUSED, replace(CUT, then=None, reply=(2500, 3000)))
    for row in (row for plan in plans for row in rows_of(plan).values()):
        assert row.value is not None or row.reason, row


def test_the_words_of_a_backchannel_are_not_held_against_the_recogniser():
    rows = rows_of(BACKCHANNEL)
    reason = "a backchannel is not asked to be recognised"
    for metric in ("stt_wer", "stt_words", "stt_word_errors"):
        assert told(rows[1, metric]) == (None, reason)
    assert told(rows[1, "task_success"]) == (None, "a backchannel: false_interruption judges it")


def test_silence_of_800_ms_or_a_clear_parts_two_replies():
    ms = NS_PER_MS
    sounds = [Sound(0, 100 * ms), Sound(899 * ms, 950 * ms), Sound(1750 * ms, 1800 * ms)]
    assert list(replies_of(sounds, [])) == [Sound(0, 950 * ms), sounds[2]]
    assert list(replies_of(sounds, [500 * ms])) == sounds
    assert list(replies_of([], [])) == []
