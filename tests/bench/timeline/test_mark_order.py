"""Marks that can't be true are refused, by name."""

import pytest

from bench.metrics.compute import compute_trial
from bench.simulated.turn_taking import TurnTakingPlan, turn_taking_trial_of
from bench.simulated.turns import TurnPlan, trial_of
from bench.timeline.mark_order import ORDER, MarkOrderError, check_order
from pipelines.marks import EVENTS, stamp


def in_order(*marks):
    try:
        check_order("t", marks)
    except MarkOrderError:
        return False
    return True


@pytest.mark.parametrize(("cause", "effect"), ORDER, ids=lambda e: ".".join(e))
def test_an_effect_before_its_cause_is_refused_and_both_are_named(cause, effect):
    def at(event, t_ns):
        whose = {"turn": 3} if event[0] == "user" else {"request_id": "r7"}
        return stamp(*event, t_ns=t_ns, **whose)

    assert in_order(at(effect, 1000), at(cause, 1000))
    with pytest.raises(MarkOrderError) as error:
        check_order("p.f.0", [at(effect, 5_000_000), at(cause, 5_250_000)])
    whose = "turn 3" if cause[0] == "user" else "request 'r7'"
    assert str(error.value).startswith(
        f"Trial p.f.0: the mark {'.'.join(effect)} of {whose} lies 0.250 ms before "
        f"{'.'.join(cause)}, which comes first"
    )


def test_a_stage_without_an_end_or_a_start_is_in_order():
    for event in (event for pair in ORDER for event in pair):
        assert in_order(stamp(*event, t_ns=1, request_id="r", turn=0))


def test_marks_of_two_requests_are_not_compared():
    late = stamp("tts", "request", t_ns=9, request_id="a")
    assert in_order(late, stamp("tts", "first_byte", t_ns=1, request_id="b"))
    assert not in_order(late, stamp("tts", "first_byte", t_ns=1, request_id="a"))


def test_the_table_holds_known_events_only():
    assert {event for pair in ORDER for event in pair} <= set(EVENTS)


def test_no_figure_is_computed_of_a_trial_whose_clocks_differ():
    trial, marks, pcm = trial_of([TurnPlan()])
    wrong = stamp("tts", "first_byte", t_ns=trial.t0_ns, request_id="s0")
    with pytest.raises(MarkOrderError, match=r"tts\.first_byte of request 's0' lies"):
        compute_trial(trial, [*marks, wrong], pcm, None)


def test_the_examples_are_in_order():
    for _, marks, _ in (trial_of([TurnPlan()]), turn_taking_trial_of(TurnTakingPlan())):
        assert in_order(*marks)
