"""The gates of duplex-nano, on made tables: figures whose answer is known beforehand."""

from __future__ import annotations

import math

import pytest

from bench.store.expectation import Expectation
from bench.store.labels import TurnLabels, UserEvent
from bench.store.records import MetricRow, Trial
from training.nano_duplex.gates import (
    GATES,
    CodecFigures,
    Evidence,
    Judged,
    WordCount,
    heard_wer,
    judge_gates,
    word_error_rate,
)


def row(metric: str, value: float | None, turn: int = 0, fixture: str = "f", **more) -> MetricRow:
    given = {
        "run_id": "r", "trial_id": f"p.{fixture}.0", "preset": "p", "fixture": fixture,
        "repeat": 0, "warmup": False, "turn": turn, "metric": metric, "subject": None,
        "value": value, "unit": "", "valid": True, "reason": None, "weights": "trained",
    }  # fmt: skip
    return MetricRow(**{**given, **more})


def trial(fixture: str = "f", **more) -> Trial:
    return Trial("r", f"p.{fixture}.0", "p", fixture, 0, 0, 24_000, 1, kind="duplex", **more)


def labels(event: UserEvent = "", respond: bool = True) -> TurnLabels:
    return TurnLabels("a", 0, 1, 1, 16_000, Expectation(respond=respond), event=event)


def judged(rows, *, turns=None, trials=None, **more) -> dict[str, Judged]:
    evidence = Evidence(rows, trials or [trial()], turns or {}, **more)
    return {one.gate.name: one for one in judge_gates(evidence)}


def test_with_nothing_measured_every_gate_is_open_and_says_why():
    found = judged([])
    assert len(found) == len(GATES)
    assert {one.verdict for one in found.values()} == {"open"}
    assert all(one.why and one.figure.value is None for one in found.values())


@pytest.mark.parametrize(("right", "verdict"), [(8, "met"), (7, "missed")])
def test_a_share_is_met_at_its_target_and_not_below(right, verdict):
    rows = [row("text_success", 100.0 if i < right else 0.0, i) for i in range(10)]
    one = judged(rows)["intent and slots right, in the text"]
    assert (one.figure.value, one.figure.n, one.verdict) == (10.0 * right, 10, verdict)
    assert one.missed_by == (None if verdict == "met" else pytest.approx(10.0))


def test_only_rows_that_are_valid_count_and_repeats_of_a_turn_count_as_one():
    rows = [
        row("text_success", 100.0, 0),
        row("text_success", 0.0, 0, repeat=1),
        row("text_success", 0.0, 1, valid=False),
        row("text_success", 0.0, 2, warmup=True),
    ]
    one = judged(rows)["intent and slots right, in the text"]
    assert (one.figure.value, one.figure.n) == (50.0, 1)


def test_turns_are_taken_only_where_the_user_wants_an_answer():
    turns = {("f", 0): labels(), ("f", 1): labels("backchannel", respond=False)}
    rows = [row("takeover_strict", 100.0, 0), row("takeover_strict", 0.0, 1)]
    one = judged(rows, turns=turns)["turn taken at its end, as heard"]
    assert (one.figure.value, one.figure.n) == (100.0, 1)


def test_pauses_are_counted_one_by_one():
    rows = [
        row("pauses", 3.0, 0), row("pause_onsets", 1.0, 0),
        row("pauses", 1.0, 1), row("pause_onsets", 0.0, 1),
    ]  # fmt: skip
    one = judged(rows)["began in a labelled pause, as heard"]
    assert (one.figure.value, one.figure.n, one.verdict) == (25.0, 4, "missed")


def test_going_on_is_judged_over_backchannels_and_not_over_coughs():
    events: tuple[UserEvent, ...] = ("backchannel", "backchannel", "cough")
    turns = {("f", i): labels(event, respond=False) for i, event in enumerate(events)}
    rows = [row("false_interruption", value, i) for i, value in enumerate((0.0, 100.0, 100.0))]
    one = judged(rows, turns=turns)["went on through a backchannel, as heard"]
    assert (one.figure.value, one.figure.n) == (50.0, 2)


def test_an_interruption_that_never_stopped_it_counts_against_the_median():
    rows = [row("barge_in_stop", 300.0, 0), row("barge_in_stop", 340.0, 1)]
    name = "stop after an interruption p50"
    assert judged(rows)[name].figure.value == 300.0
    rows += [row("barge_in_censored", 2000.0, i) for i in (2, 3, 4)]
    assert (judged(rows)[name].figure.value, judged(rows)[name].verdict) == (math.inf, "missed")
    ended = [row("barge_in_censored", 700.0, i) for i in range(3)]
    assert judged(ended)[name].verdict == "open"


def test_the_gap_is_that_of_turns_that_did_not_break_in_and_needs_a_pre_roll_of_0():
    turns = {("f", 0): labels(), ("f", 1): labels("interruption")}
    rows = [row("voice_to_voice", 300.0, 0), row("voice_to_voice", 900.0, 1)]
    one = judged(rows, turns=turns)["heard gap p50, B = 0"]
    assert (one.figure.value, one.figure.n, one.verdict) == (300.0, 1, "met")
    one = judged(rows, turns=turns, trials=[trial(preroll_ms=80.0)])["heard gap p50, B = 0"]
    assert (one.verdict, one.why) == ("open", "the preset has a pre-roll, B is not 0")


def test_frames_are_judged_in_long_conversations_only_and_by_the_worst():
    trials = [trial("short", audio_s=10.0), trial("long", audio_s=150.0)]
    rows = [
        row("frame_latency_p99", 90.0, -1, "short"),
        row("frame_latency_p99", 31.0, -1, "long"),
        row("frame_latency_p99", 33.0, -1, "long", repeat=1),
    ]
    one = judged(rows, trials=trials)["frame latency p99, worst of 2 minutes or more"]
    assert (one.figure.value, one.verdict) == (33.0, "met")
    one = judged(rows, trials=trials[:1])["frame latency p99, worst of 2 minutes or more"]
    assert one.verdict == "open" and "play session_150s" in one.why


def test_a_cold_start_is_read_off_the_warm_up():
    one = judged([row("cold_start", 2400.0, -1, warmup=True)])["cold start"]
    assert (one.figure.value, one.verdict, one.missed_by) == (2400.0, "missed", 400.0)


def test_the_words_of_forced_text_are_held_against_the_codecs():
    forced = [WordCount(1, 10), WordCount(0, 10)]
    name = "WER of forced text over the codec's"
    assert judged([], forced=forced)[name].verdict == "open"
    one = judged([], forced=forced, codec=CodecFigures(codec_wer=3.5))[name]
    assert one.figure.value == pytest.approx(1.5)
    assert (one.figure.n, one.verdict) == (2, "met")
    all_ = judged([], codec=CodecFigures(original_wer=1.0, codec_wer=6.0, probe_wer=11.0, n=50))
    assert all_["codec's WER over the original's"].verdict == "missed"
    assert all_["codec's WER over the original's"].missed_by == pytest.approx(1.0)
    assert all_["word probe on the user's side, WER"].verdict == "missed"


def test_a_word_error_rate_is_of_all_words_and_has_an_interval_from_20_sentences_on():
    few = word_error_rate([WordCount(1, 2), WordCount(0, 8)])
    assert (few.value, few.low) == (10.0, None)
    many = word_error_rate([WordCount(i % 2, 10) for i in range(40)])
    assert many.value == pytest.approx(5.0)
    assert 3.0 < many.low < 5.0 < many.high < 7.0
    assert word_error_rate([]).value is None


def test_the_word_error_rate_of_a_runs_answers_is_of_all_their_words():
    rows = [
        row("agent_words", 2.0, 0), row("agent_word_errors", 1.0, 0),
        row("agent_words", 8.0, 1), row("agent_word_errors", 0.0, 1),
    ]  # fmt: skip
    found = heard_wer(Evidence(rows, [trial()], {}))
    assert (found.value, found.n) == (10.0, 2)
