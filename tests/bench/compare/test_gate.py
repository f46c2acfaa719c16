"""Gates: how they are written, what they say on figures made by hand, and what a CI job gets."""

from xml.etree import ElementTree

import numpy as np
import pytest

from bench.compare.gate import Gate, Outcome, exit_code, judge
from bench.compare.pairs import Side
from bench.report.text.comparison import gate_sentence
from bench.report.text.junit import junit
from bench.simulated.figures import side
from pipelines.errors import LabError

RAMP = [400.0 + 10 * i for i in range(25)]


def v2v(values: list[float], metric: str = "voice_to_voice") -> Side:
    return side({metric: values})


def said(text: str, base: Side, candidate: Side) -> Outcome:
    (outcome,) = judge([Gate.parse(text)], [(base, candidate)])
    return outcome


@pytest.mark.parametrize(
    ("text", "kind", "limit", "at_most"),
    [
        ("voice_to_voice.p50<=1.05x", "ratio", 1.05, True),
        ("voice_to_voice.p50 <= +30ms", "difference", 30.0, True),
        ("voice_to_voice.p50<=-20ms", "difference", -20.0, True),
        ("voice_to_voice.p95<=400ms", "value", 400.0, True),
        ("task_success.rate>=-5%", "difference", -5.0, False),
        ("task_success.rate>=95%", "value", 95.0, False),
        ("rtf.mean<=0.9", "value", 0.9, True),
    ],
)
def test_a_gate_is_read(text: str, kind: str, limit: float, at_most: bool) -> None:
    gate = Gate.parse(text)
    assert (gate.kind, gate.limit, gate.at_most) == (kind, limit, at_most)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("voice_to_voice.p50<1.05x", "can't be understood"),
        ("voice_to_voice<=1.05x", "can't be understood"),
        ("voice_to_voise.p50<=1.05x", "did you mean 'voice_to_voice'?"),
        ("turn_wait.p50<=1.05x", "it is called 'endpointing_delay' now"),
        ("voice_to_voice.p90<=1.05x", "there are p50, p95, p99, mean, rate"),
        ("voice_to_voice.p50<=400", "write the limit as 1.05x, +30ms or 400ms"),
        ("voice_to_voice.p50<=400s", "is in ms"),
        ("voice_to_voice.rate<=5%", "there is a p50, p95, p99 or mean, not rate"),
        ("no_answer.p50<=5%", "there is a rate, not p50"),
        ("no_answer.rate<=1.5x", "of rates there is none"),
        ("voice_to_voice.p50<=+1.05x", "without a sign"),
    ],
)
def test_a_gate_that_is_wrong_is_reported_in_a_sentence(text: str, told: str) -> None:
    with pytest.raises(LabError) as error:
        Gate.parse(text)
    assert told in str(error.value) and text in str(error.value)


# Every base is RAMP, and each turn differs by the same: the interval is [d, d] or [r, r].
@pytest.mark.parametrize(
    ("text", "factor", "extra", "state"),
    [
        ("voice_to_voice.p50<=1.05x", 1.0, 0.0, "holds"),
        ("voice_to_voice.p50<=1x", 1.0, 0.0, "holds"),
        ("voice_to_voice.p50<=1.05x", 1.05, 0.0, "holds"),
        ("voice_to_voice.p50>=1.05x", 1.05, 0.0, "holds"),
        ("voice_to_voice.p50<=1.05x", 1.06, 0.0, "broken"),
        ("voice_to_voice.p50<=+30ms", 1.0, 30.0, "holds"),
        ("voice_to_voice.p50<=+30ms", 1.0, 31.0, "broken"),
        ("voice_to_voice.p50<=-20ms", 1.0, -10.0, "broken"),
        ("voice_to_voice.p50>=+10ms", 1.0, 5.0, "broken"),
        ("voice_to_voice.mean<=+30ms", 1.0, 31.0, "broken"),
        ("voice_to_voice.mean<=1.05x", 1.04, 0.0, "holds"),
    ],
)
def test_a_gate_holds_or_breaks_where_nothing_scatters(
    text: str, factor: float, extra: float, state: str
) -> None:
    outcome = said(text, v2v(RAMP), v2v([factor * v + extra for v in RAMP]))
    assert outcome.state == state
    assert exit_code([outcome]) == {"holds": 0, "broken": 1}[state]


def test_chance_alone_does_not_break_a_gate_and_is_no_proof_that_it_holds() -> None:
    noise = np.random.default_rng(4).normal(0, 150, 25)
    noisy = v2v([v + e for v, e in zip(RAMP, noise, strict=True)])
    outcome = said("voice_to_voice.p50<=+30ms", v2v(RAMP), noisy)
    assert (outcome.state, exit_code([outcome])) == ("unknown", 2)
    assert "the limit lies inside the interval" in gate_sentence(outcome)
    # In truth nothing has changed; so many conversations would have shown it.
    assert outcome.needed is not None and outcome.needed > 25
    assert f"about {outcome.needed} conversations would decide it" in gate_sentence(outcome)


def test_with_few_conversations_nothing_is_said_however_slow_the_candidate() -> None:
    few = RAMP[:19]
    outcome = said("voice_to_voice.p50<=1.05x", v2v(few), v2v([3 * v for v in few]))
    assert (outcome.state, exit_code([outcome])) == ("unknown", 2)
    assert gate_sentence(outcome).endswith("can't say, insufficient n (19, 20)")


def test_a_median_of_its_own_is_held_against_its_order_statistics() -> None:
    # 25 values: the 8th and the 18th, 470 and 570.
    for text, state in (
        ("voice_to_voice.p50<=570ms", "holds"),
        ("voice_to_voice.p50<=569ms", "unknown"),
        ("voice_to_voice.p50<=470ms", "unknown"),
        ("voice_to_voice.p50<=469ms", "broken"),
    ):
        assert said(text, v2v([1.0]), v2v(RAMP)).state == state


def test_a_tail_of_its_own_needs_59_conversations() -> None:
    values = [float(i) for i in range(1, 60)]
    assert said("voice_to_voice.p95<=59ms", v2v([1.0]), v2v(values)).state == "holds"
    assert said("voice_to_voice.p95<=58ms", v2v([1.0]), v2v(values)).state == "unknown"
    # Lower bound of p95 at 95 %: P(fewer than k below it) ≤ 5 % leaves the 53rd of 59.
    assert said("voice_to_voice.p95<=52ms", v2v([1.0]), v2v(values)).state == "broken"
    assert said("voice_to_voice.p95<=53ms", v2v([1.0]), v2v(values)).state == "unknown"
    outcome = said("voice_to_voice.p95<=1ms", v2v([1.0]), v2v(values[:58]))
    assert gate_sentence(outcome).endswith("insufficient n (58, 59)")


def test_two_tails_need_72_conversations_and_lie_far_apart_before_they_break() -> None:
    values = [400.0 + i for i in range(72)]
    slow = [v + 100 for v in values]
    assert said("voice_to_voice.p95<=+30ms", v2v(values), v2v(slow)).state == "broken"
    assert said("voice_to_voice.p95<=1.05x", v2v(values), v2v(slow)).state == "broken"
    assert said("voice_to_voice.p95<=1.5x", v2v(values), v2v(slow)).state == "holds"
    outcome = said("voice_to_voice.p95<=+30ms", v2v(values[:71]), v2v(slow[:71]))
    assert gate_sentence(outcome).endswith("insufficient n (71, 72)")


def test_rates_are_gated_in_points_and_by_themselves() -> None:
    base = side({"task_success": [100.0] * 60})
    worse = side({"task_success": [100.0] * 20 + [0.0] * 40})
    assert said("task_success.rate>=-5%", base, worse).state == "broken"
    # Two conversations that were added, one to either side, leave ± 4.5 points on 60.
    assert said("task_success.rate>=-5%", base, base).state == "holds"
    assert said("task_success.rate>=-4%", base, base).state == "unknown"
    # The rule of three: 60 of 60 leave 6.0 % two-sided.
    assert said("task_success.rate>=94%", base, base).state == "holds"
    assert said("task_success.rate>=95%", base, base).state == "unknown"
    assert said("task_success.rate>=95%", base, worse).state == "broken"


def test_several_gates_share_the_five_percent() -> None:
    gates = [Gate.parse(t) for t in ("voice_to_voice.p50<=1.05x", "voice_to_voice.p50<=+30ms")]
    outcomes = judge(gates, [(v2v(RAMP), v2v(RAMP))] * 2)
    assert [o.confidence for o in outcomes] == pytest.approx([1 - 0.05 / 4] * 4)


def test_a_gate_may_be_asked_of_one_preset_only() -> None:
    quick, slow = (side({"voice_to_voice": RAMP}, preset=name) for name in ("quick", "slow-1.0"))
    gate = Gate.parse("slow-1.0:voice_to_voice.p50<=1.05x")
    (outcome,) = judge([gate], [(quick, quick), (quick, slow)])
    assert (outcome.candidate.preset, outcome.state) == ("slow-1.0", "holds")
    assert outcome.confidence == pytest.approx(0.95)
    with pytest.raises(LabError, match=r"called 'slow-1\.0'; there are quick"):
        judge([gate], [(quick, quick)])


def test_a_metric_that_is_missing_says_nothing() -> None:
    outcome = said("endpointing_delay.p50<=1.05x", v2v(RAMP), v2v(RAMP))
    assert gate_sentence(outcome).endswith("can't say, no turn has a endpointing_delay that counts")
    assert exit_code([outcome]) == 2


def test_one_broken_gate_outweighs_what_can_not_be_said() -> None:
    broken = said("voice_to_voice.p50<=1.05x", v2v(RAMP), v2v([2 * v for v in RAMP]))
    unknown = said("endpointing_delay.p50<=1.05x", v2v(RAMP), v2v(RAMP))
    holds = said("voice_to_voice.p50<=1.05x", v2v(RAMP), v2v(RAMP))
    assert exit_code([holds, unknown, broken]) == 1
    assert exit_code([holds, unknown]) == 2
    assert exit_code([holds]) == exit_code([]) == 0


def test_junit_has_a_case_per_gate_with_failure_or_error() -> None:
    outcomes = [
        said("voice_to_voice.p50<=1.05x", v2v(RAMP), v2v(RAMP)),
        said("voice_to_voice.p50<=1.05x", v2v(RAMP), v2v([2 * v for v in RAMP])),
        said("endpointing_delay.p50<=1.05x", v2v(RAMP), v2v(RAMP)),
    ]
    root = ElementTree.fromstring(junit(outcomes))
    (suite,) = root
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors")}
    assert counts == {"tests": "3", "failures": "1", "errors": "1"}
    assert [[part.tag for part in case] for case in suite] == [
        ["system-out"], ["failure"], ["error"],
    ]  # fmt: skip
    assert [case.get("name") for case in suite] == [o.gate.text for o in outcomes]
    assert suite[1][0].get("message") == gate_sentence(outcomes[1])


def test_junit_is_well_formed_whatever_a_preset_is_called() -> None:
    odd = side({"voice_to_voice": RAMP}, preset='<a> & "b" \x1b[31m\x00')
    text = junit([said("voice_to_voice.p50<=1.05x", odd, odd)])
    (suite,) = ElementTree.fromstring(text)
    assert suite[0].get("classname") == '<a> & "b" \\x1b[31m\\x00'
