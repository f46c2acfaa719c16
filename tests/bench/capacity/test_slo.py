"""Limits that hold by their bounds."""

import pytest

from bench.capacity.slo import Slo
from bench.store.records import MetricRow, Trial
from pipelines.errors import LabError


def rows(values, metric="voice_to_voice", reason=None):
    """A call with one turn for each value."""
    return [
        MetricRow(
            run_id="r", trial_id=f"p@2.f.{i}", preset="p@2", fixture="f", repeat=i, warmup=False,
            turn=0, metric=metric, subject=None, value=value, unit="ms", valid=value is not None,
            reason=reason if value is None else None, weights="trained",
        )
        for i, value in enumerate(values)
    ]  # fmt: skip


def judged(text, values):
    trials = [
        Trial("r", f"p@2.f.{i}", "p@2", "f", i, 0, 0, 1, weights="trained", kind="remote")
        for i in range(len(values))
    ]
    return Slo.parse(text).judge(trials, rows(values), "p@2")


def test_a_tail_holds_once_59_calls_bound_it_and_not_before():
    values = [300.0 + i for i in range(59)]
    found = judged("voice_to_voice.p95<=400ms", values)
    assert (found.state, found.bound, found.n) == ("holds", 358.0, 59)
    found = judged("voice_to_voice.p95<=400ms", values[:58])
    assert (found.state, found.bound) == ("unknown", None)


def test_calls_of_one_fixture_are_calls_of_their_own():
    # Fifty-nine calls of the same sentence: as repeats of one turn they would count once.
    assert judged("voice_to_voice.p95<=800ms", [500.0] * 59).state == "holds"


def test_a_point_within_the_limit_whose_bound_lies_beyond_is_unknown_and_one_beyond_it_is_broken():
    values = [300.0] * 57 + [900.0] * 2
    assert judged("voice_to_voice.p95<=800ms", values).state == "unknown"
    assert judged("voice_to_voice.p95<=800ms", [300.0] * 40 + [900.0] * 20).state == "broken"


def test_no_answer_of_at_most_one_percent_takes_299_turns_without_a_miss():
    assert Slo.parse("no_answer<=1%").needed == 299
    held = judged("no_answer<=1%", [300.0] * 299)
    assert held.state == "holds" and held.value == 0.0
    assert held.bound == pytest.approx(100 * (1 - 0.05 ** (1 / 299)), abs=1e-6)
    assert judged("no_answer<=1%", [300.0] * 298).state == "unknown"
    assert judged("no_answer<=1%", [300.0] * 289 + [None] * 10).state == "broken"


def test_a_figure_that_nobody_has_is_no_pass():
    found = judged("deadline_miss.p95<=1%", [300.0] * 60)
    assert (found.state, found.value, found.n) == ("unknown", None, 0)
    assert found.reason == "no turn has a deadline_miss"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("voice_to_voice.p95<=1.05x", "a limit on the agent's own figure is needed"),
        ("voice_to_voice.p95<=+30ms", "a limit on the agent's own figure is needed"),
        ("voice_to_voice.mean<=30ms", "take p50, p95 or p99"),
        ("voice_to_voice<=30ms", "can't be understood"),
        ("voice2voice.p95<=30ms", "there is no metric"),
    ],
)
def test_a_limit_that_is_none_is_one_sentence(text, said):
    with pytest.raises(LabError, match=said) as error:
        Slo.parse(text)
    assert "--slo" in str(error.value) and "--gate" not in str(error.value)


def test_a_tail_needs_59_calls_and_the_text_is_as_it_was_written():
    assert Slo.parse("voice_to_voice.p95<=800ms").needed == 59
    assert Slo.parse("no_answer<=1%").text == "no_answer<=1%"
    assert Slo.parse("task_success>=90%").needed == 29


def test_a_turn_that_nobody_answered_is_later_than_any_limit():
    # Left out, 60 calls of 300 ms would hold; but 10 of 70 were never answered.
    found = judged("voice_to_voice.p95<=800ms", [300.0] * 60 + [None] * 10)
    assert (found.state, found.n, found.value, found.bound) == ("broken", 70, None, None)
    assert found.reason == "so many turns had no answer that the p95 may be one"
    assert judged("voice_to_voice.p50<=800ms", [300.0] * 60 + [None] * 10).state == "holds"


def test_a_share_of_each_call_holds_by_the_bound_of_the_calls_mean():
    assert Slo.parse("deadline_miss<=1%").needed == 299
    assert Slo.parse("deadline_miss<=1%").text == "deadline_miss<=1%"
    assert judged_share([0.0] * 299).state == "holds"
    assert judged_share([0.0] * 298).state == "unknown"
    found = judged_share([4.0] * 299)
    assert (found.state, found.value) == ("broken", pytest.approx(4.0))
    # Of ten calls nothing is known, though others of this agent have the figure.
    assert judged_share([0.0] * 299 + [None] * 10).value == pytest.approx(100 * 10 / 309)
    assert judged_share([None] * 299).state == "unknown"


def judged_share(values):
    trials = [
        Trial("r", f"p@2.f.{i}", "p@2", "f", i, 0, 0, 1, weights="trained", kind="remote")
        for i in range(len(values))
    ]
    return Slo.parse("deadline_miss<=1%").judge(trials, rows(values, "deadline_miss"), "p@2")
