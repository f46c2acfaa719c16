"""Trials with a late measuring side are played once more, and no others."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bench.fixtures.library import select
from bench.runner.late_again import late_again
from bench.runner.plan import Plan
from pipelines.spec import load_spec

PLAN = Plan(
    (load_spec("cascade-scripted"), load_spec("cascade-embedded")),
    tuple(select("cmd_come_here,cmd_find_key")),
    1,
)
FIRST = "cascade-scripted.cmd_find_key"


def owed(played: dict[str, str], at_most: int = 2) -> list[str]:
    return [planned.trial_id for planned in late_again(PLAN, played, at_most)]


def all_ok() -> dict[str, str]:
    return {planned.trial_id: "ok" for planned in PLAN.trials}


def test_nothing_is_owed_where_the_ruler_was_in_time() -> None:
    assert owed(all_ok()) == []
    assert owed(dict.fromkeys(all_ok(), "no_answer")) == []
    assert owed(dict.fromkeys(all_ok(), "error")) == []


def test_a_late_trial_is_owed_its_next_repeat() -> None:
    assert owed(all_ok() | {f"{FIRST}.0": "ruler_late"}) == [f"{FIRST}.1"]


def test_one_that_was_played_again_in_time_is_owed_nothing() -> None:
    assert owed(all_ok() | {f"{FIRST}.0": "ruler_late", f"{FIRST}.1": "ok"}) == []


def test_one_that_is_late_again_and_again_is_given_up() -> None:
    late = all_ok() | {f"{FIRST}.0": "ruler_late", f"{FIRST}.1": "ruler_late"}
    assert owed(late) == [f"{FIRST}.2"]
    assert owed(late | {f"{FIRST}.2": "ruler_late"}) == []
    assert owed(late, at_most=1) == owed(late, at_most=0) == []


def test_a_late_warm_up_is_owed_nothing() -> None:
    assert owed(all_ok() | {f"{FIRST}.warmup0": "ruler_late"}) == []


@given(st.lists(st.booleans(), max_size=30), st.integers(0, 5))
def test_never_more_trials_than_allowed_and_each_has_a_name_of_its_own(
    late: list[bool], at_most: int
) -> None:
    played, lates = all_ok(), iter(late)
    for _ in range(20):
        again = late_again(PLAN, played, at_most)
        assert not {planned.trial_id for planned in again} & played.keys()
        if not again:
            break
        played |= {p.trial_id: "ruler_late" if next(lates, False) else "ok" for p in again}
    assert len(played) <= len(PLAN.trials) * (1 + at_most)
    assert late_again(PLAN, played, at_most) == []
