"""What makes models late, on turns whose times are known."""

import pytest

from bench.causes.find import causes_of_run
from bench.simulated.turns import RATE_HZ, TurnPlan, after_u_off, causes_of, trial_of
from bench.store.records import MetricRow, Trial

SAMPLE_MS = 1000 / RATE_HZ
"""Within which the recording gives the answer's first sound."""
TWO = [TurnPlan(), TurnPlan(u_on_ms=6000.0, u_off_ms=7500.0)]


def metric(name: str, trial: Trial, value: float | None, turn: int = 0) -> MetricRow:
    return MetricRow(
        "example", trial.trial_id, trial.preset, trial.fixture, trial.repeat, trial.warmup,
        turn, name, None, value, "ms", True, None, trial.weights,
    )  # fmt: skip


TRIALS = [trial_of([TurnPlan()], repeat=repeat)[0] for repeat in range(7)]


def cold(first_ms: float, later_ms: float = 60.0, name: str = "llm_ttft", n: int = 7):
    rows = [metric(name, TRIALS[0], first_ms)]
    rows += [metric(name, trial, later_ms) for trial in TRIALS[1:n]]
    return [(r.trial_id, r.lost_ms, r.detail) for r in causes_of_run(TRIALS, rows)]


def test_a_first_turn_far_above_the_median_of_the_later_ones_met_a_cold_model():
    assert cold(960.0) == [
        (TRIALS[0].trial_id, 900.0, "the first token after 960 ms, later 60"),
    ]
    (tts,) = cold(1300.0, 40.0, "tts_ttfb")
    assert tts[1:] == (1260.0, "the first audio after 1,300 ms, later 40")


@pytest.mark.parametrize(
    ("first_ms", "later_ms", "n"),
    [(159.0, 60.0, 7), (500.0, 200.0, 7), (960.0, 60.0, 5), (60.0, 60.0, 7)],
    ids=["by less than 100 ms", "less than 3 times", "too few later turns", "alike"],
)
def test_a_first_turn_like_the_others_did_not(first_ms, later_ms, n):
    assert cold(first_ms, later_ms, n=n) == []


def test_of_several_cold_stages_the_one_that_cost_most_stands_for_the_turn():
    rows = []
    for name, first_ms in (("stt_tail", 400.0), ("llm_ttft", 900.0)):
        rows += [metric(name, t, first_ms if t is TRIALS[0] else 50.0) for t in TRIALS]
    (row,) = causes_of_run(TRIALS, rows)
    assert (row.cause, row.lost_ms) == ("cold_model", 850.0)


def loads(start_ms: float, end_ms: float):
    return [
        after_u_off(start_ms, "agent", "process_start", text="llm"),
        after_u_off(start_ms + 10, "agent", "load_start", text="llm"),
        after_u_off(end_ms, "agent", "warm_end", text="llm"),
    ]


def test_a_model_that_was_loaded_between_the_user_and_the_answer_lost_that_time():
    row = causes_of([TurnPlan()], extra=loads(100.0, 300.0))[0, "model_loaded_in_turn"]
    assert (row.lost_ms, row.detail) == (200.0, "llm")
    row = causes_of([TurnPlan()], extra=loads(-500.0, 150.0))[0, "model_loaded_in_turn"]
    assert row.lost_ms == 150.0
    row = causes_of([TurnPlan()], extra=loads(200.0, 5000.0))[0, "model_loaded_in_turn"]
    assert row.lost_ms == pytest.approx(184, abs=SAMPLE_MS)  # up to the answer's first sound


@pytest.mark.parametrize("at_ms", [(-3000.0, -10.0), (400.0, 900.0)])
def test_a_model_that_was_loaded_before_or_after_lost_nothing(at_ms):
    assert (0, "model_loaded_in_turn") not in causes_of([TurnPlan()], extra=loads(*at_ms))


def prompts(*tokens: tuple[int, int]):
    """(read, cached) of the requests of turns 0, 1, …"""
    for number, (read, cached) in enumerate(tokens):
        end_ms = 330.0 + TWO[number].u_off_ms - TWO[0].u_off_ms
        yield after_u_off(end_ms, "llm", "prompt_read", f"l{number}", value=float(read))
        yield after_u_off(end_ms, "llm", "prompt_cached", f"l{number}", value=float(cached))


def test_a_prompt_that_is_read_again_lost_its_share_of_the_time_to_the_first_token():
    found = causes_of(TWO, extra=list(prompts((60, 0), (80, 0))))
    row = found[1, "prompt_read_again"]
    assert row.lost_ms == 28.0 * 60 / 80
    assert row.detail == "80 tokens read, none of 60 from the cache"
    assert (0, "prompt_read_again") not in found


def test_a_prompt_from_the_cache_was_not_read_again():
    assert (1, "prompt_read_again") not in causes_of(TWO, extra=list(prompts((60, 0), (20, 60))))


def test_words_collected_to_a_sentence_lost_the_time_from_the_first_of_them():
    row = causes_of([TurnPlan()])[0, "sentence_aggregation"]
    assert row.lost_ms == 50.0
    assert (0, "sentence_aggregation") not in causes_of([TurnPlan(first_token_ms=281.0)])


SLOW_VOICE = TurnPlan(first_byte_ms=1131.0, write_ms=1134.0, heard_ms=1135.0)


@pytest.mark.parametrize(
    ("first_s", "all_s", "lost_ms"),
    [(2.0, 2.0, 600.0), (4.0, 4.0, 700.0), (0.5, 2.0, None), (0.9, 0.9, None)],
    ids=["all of 2 s", "all of 4 s", "a piece of it", "a short answer"],
)
def test_a_voice_whose_first_piece_is_all_lost_the_time_for_what_need_not_be_there_yet(
    first_s, all_s, lost_ms
):
    pieces = [
        after_u_off(1131.0, "tts", "first_byte", "s0", value=first_s * RATE_HZ),
        after_u_off(1140.0, "tts", "end", "s0", value=all_s * RATE_HZ),
    ]
    assert (0, "whole_answer_at_once") not in causes_of([SLOW_VOICE])  # an older run
    found = causes_of([SLOW_VOICE], extra=pieces)
    row = found.get((0, "whole_answer_at_once"))
    assert (row and row.lost_ms) == lost_ms
