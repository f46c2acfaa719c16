"""Answers begun early: counted from marks that are written by hand."""

from __future__ import annotations

from bench.metrics.compute import compute_trial
from bench.simulated.turn_taking import (
    T0_NS,
    TurnTakingPlan,
    turn_taking_labels_of,
    turn_taking_trial_of,
)
from pipelines.clock import NS_PER_MS
from pipelines.marks import Mark, stamp

PLAN = TurnTakingPlan()


def mark(ms: float, stage: str, event: str, rid: str = "", value: float | None = None) -> Mark:
    t_ns = T0_NS + round(ms * NS_PER_MS)
    return stamp(stage, event, t_ns=t_ns, request_id=rid, value=value)  # type: ignore[arg-type]


def figures(*extra: Mark) -> dict[str, tuple[float | None, str | None]]:
    trial, marks, pcm = turn_taking_trial_of(PLAN)
    known = turn_taking_labels_of(trial.fixture, PLAN)
    rows = compute_trial(trial, sorted([*marks, *extra], key=lambda m: m.t_ns), pcm, known)
    names = ("predictions", "withdrawn", "wasted_tokens", "wasted_ms")
    return {row.metric: (row.value, row.reason) for row in rows if row.metric in names}


def test_a_trial_without_a_prediction_has_no_such_rows() -> None:
    assert figures() == {}


def test_what_was_done_for_an_answer_that_was_withdrawn_is_wasted_and_for_another_is_not() -> None:
    found = figures(
        mark(1000, "turn", "predicted"),
        mark(1001, "llm", "request", "L8"),
        mark(1021, "llm", "end", "L8", 7),
        mark(1010, "tts", "ahead", "L8/t8"),
        mark(1050, "tts", "cancelled", "L8/t8"),
        mark(1050, "turn", "withdrawn"),
        mark(1200, "turn", "predicted"),
        mark(1201, "llm", "request", "L9"),
        mark(1241, "llm", "end", "L9", 9),
        mark(1300, "turn", "release"),
    )
    assert found == {
        "predictions": (2.0, None),
        "withdrawn": (1.0, None),
        "wasted_tokens": (7.0, None),
        "wasted_ms": (20.0 + 40.0, None),
    }


def test_tokens_of_an_answer_that_was_cancelled_are_not_known() -> None:
    found = figures(
        mark(1000, "turn", "predicted"),
        mark(1001, "llm", "request", "L8"),
        mark(1050, "llm", "cancelled", "L8"),
        mark(1050, "turn", "withdrawn"),
    )
    assert found["wasted_tokens"] == (0.0, "at least: of 1 the end is not marked")
    assert found["wasted_ms"] == (49.0, None)
