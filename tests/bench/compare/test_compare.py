"""Comparisons of two sides whose figures are written by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.compare.comparable import NotComparableError, Origin, check_runs, check_sides
from bench.compare.compare import COMPARED, Compared, Comparison, compare
from bench.compare.pairs import Side, paired
from bench.metrics.table import METRICS
from bench.report.text.comparison import as_data, block, markdown, notes
from bench.simulated.figures import figure, side, trial

V2V = Compared("voice_to_voice", "difference", 30)
TTFT = Compared("llm_ttft", "ratio", 0.05)
NO_ANSWER = Compared("no_answer", "rate", 10)
RAMP = [400.0 + 10 * i for i in range(25)]
WOBBLE = [((7 * i) % 25 - 12) / 4 for i in range(25)]
"""−3 to 3 in steps of 0.25, each once, in a mixed order."""


def one(base: Side, candidate: Side, compared: Compared) -> Comparison:
    (pair,) = compare([(base, candidate)], [compared])
    (found,) = pair.metrics
    return found


def test_what_is_compared_is_what_the_rows_say_shares_of_turns_first() -> None:
    names = [m.name for m in METRICS if m.compared is not None]
    assert [c.metric for c in COMPARED] == ["no_answer", "invalid", *names]
    found = {c.metric: (c.scale, c.effect, c.better) for c in COMPARED}
    known = {
        "no_answer": ("rate", 10, "lower"),
        "invalid": ("rate", 10, "lower"),
        "voice_to_voice": ("difference", 30, "lower"),
        "endpointing_delay": ("difference", 30, "lower"),
        "stt_tail": ("difference", 30, "lower"),
        "llm_ttft": ("ratio", 0.05, "lower"),
        "llm_to_clause": ("ratio", 0.05, "lower"),
        "tts_ttfa": ("ratio", 0.05, "lower"),
        "residual": ("difference", 5, "lower"),
        "service_p50": ("ratio", 0.05, "lower"),
        "frame_latency_p50": ("ratio", 0.05, "lower"),
        "hidden_lag_p50": ("difference", 30, "lower"),
        "deadline_miss": ("difference", 1, "lower"),
        "task_success": ("rate", 10, "higher"),
        "stt_wer": ("rate", 10, "lower"),
        "cpu_s_per_audio_min": ("ratio", 0.05, "lower"),
        "rss_peak_mb": ("ratio", 0.05, "lower"),
    }
    assert found.items() >= known.items()


def test_40_ms_on_every_turn_are_slower_by_40_ms() -> None:
    base = side({"voice_to_voice": RAMP})
    slow = side({"voice_to_voice": [v + 40 + w for v, w in zip(RAMP, WOBBLE, strict=True)]})
    found = one(base, slow, V2V)
    assert (found.base, found.candidate) == (520.0, 560.0 + WOBBLE[12])
    value, low, high = found.change
    assert value == pytest.approx(40.0)
    assert low is not None and high is not None and 38 < low < 40 < high < 42
    assert found.verdict == "slower"
    assert one(slow, base, V2V).verdict == "faster"


def test_a_tenth_more_on_every_turn_is_a_ratio_of_one_tenth() -> None:
    base = side({"llm_ttft": RAMP})
    found = one(base, side({"llm_ttft": [1.1 * v for v in RAMP]}), TTFT)
    assert found.change == pytest.approx((1.1, 1.1, 1.1))
    assert found.verdict == "slower"


def test_the_same_figures_twice_are_the_same() -> None:
    found = one(side({"voice_to_voice": RAMP}), side({"voice_to_voice": RAMP}), V2V)
    assert found.verdict == "the same, within 30 ms"
    assert found.change == (0.0, 0.0, 0.0)


def test_where_the_scatter_hides_30_ms_the_n_that_is_needed_is_given() -> None:
    noise = np.random.default_rng(4).normal(0, 150, 25)
    noisy = side({"voice_to_voice": [v + e for v, e in zip(RAMP, noise, strict=True)]})
    found = one(side({"voice_to_voice": RAMP}), noisy, V2V)
    # σ = 150 ms: (2.80 · 150 / 30)² = 196 for a mean of normal values; ranks are about as good.
    assert found.needed is not None and 100 < found.needed < 400
    assert found.verdict == f"can't tell: n needed {found.needed}"


def test_under_twenty_conversations_nothing_is_said_however_many_repeats() -> None:
    def many(extra: float) -> Side:
        rows = [
            figure("voice_to_voice", 400 + i + extra, fixture=f"f{i}", repeat=r)
            for i in range(19)
            for r in range(10)
        ]
        return Side.of("r", "p", [trial(f"f{i}") for i in range(19)], rows)

    found = one(many(0), many(100), V2V)
    assert (found.verdict, found.tested) == ("insufficient n (19, 20)", None)
    assert found.change == (100.0, None, None)


def test_turns_and_variants_of_one_conversation_count_once() -> None:
    rows = [figure("voice_to_voice", 100.0 + t, fixture="talk", turn=t) for t in range(30)]
    rows += [figure("voice_to_voice", 200.0, fixture=f"one{v}") for v in ("", ".pink5", ".phone")]
    own = Side.of("r", "p", [], rows)
    pairs = paired(own, own, "voice_to_voice", is_rate=False)
    assert (len(pairs.keys), pairs.conversations) == (33, 2)
    assert pairs.per_conversation(lambda base, _: base, max) == [129.0, 200.0]


def test_a_repeat_counts_by_its_median_and_in_a_rate_by_its_share() -> None:
    values = (300.0, 310.0, 9000.0, None)
    rows = [
        figure("voice_to_voice", v, fixture="f", repeat=r, reason=None if v else "no answer")
        for r, v in enumerate(values)
    ]
    own = Side.of("r", "p", [], rows)
    assert paired(own, own, "voice_to_voice", is_rate=False).base == (310.0,)
    assert paired(own, own, "no_answer", is_rate=True).base == (25.0,)


def test_rows_that_are_not_valid_are_left_out_of_times_and_stand_in_a_rate_of_their_own() -> None:
    good = [figure("voice_to_voice", 400.0, fixture=f"f{i}") for i in range(20)]
    spoilt = [replace(row, value=9000.0, valid=i >= 5) for i, row in enumerate(good)]
    base, candidate = (Side.of("r", name, [], [replace(r, preset=name) for r in rows])
                       for name, rows in (("a", good), ("b", spoilt)))  # fmt: skip
    (pair,) = compare([(base, candidate)])
    by_name = {c.compared.metric: c for c in pair.metrics}
    assert by_name["invalid"].candidate == 25.0
    assert by_name["no_answer"].candidate == 0.0
    assert (by_name["voice_to_voice"].shift.n, by_name["voice_to_voice"].pairs.only_base) == (15, 5)


def test_an_agent_that_falls_silent_is_worse_and_its_speed_is_not_praised() -> None:
    base = side({"voice_to_voice": [400.0 + i for i in range(80)]}, preset="a")
    quick = side({"voice_to_voice": [None if i < 40 else 300.0 + i for i in range(80)]}, preset="b")
    (pair,) = compare([(base, quick)])
    verdicts = {c.compared.metric: c.verdict for c in pair.metrics}
    assert verdicts["no_answer"] == "worse"
    assert verdicts["voice_to_voice"] == "faster"
    assert pair.warnings == [
        "b is faster where both count, but leaves more turns unanswered: don't rank by latency "
        "alone."
    ]
    assert pair.warnings[0] in notes([pair])


def test_turns_on_which_no_answer_is_expected_are_in_no_rate() -> None:
    quiet = figure("voice_to_voice", None, reason="no answer is expected here")
    own = Side.of("r", "p", [], [quiet])
    assert own.values("no_answer") == {}


def test_a_value_of_zero_has_no_ratio_and_is_reported() -> None:
    base = side({"llm_ttft": [0.0, *RAMP]})
    assert one(base, base, TTFT).verdict == "a value of 0 has no ratio"


def test_more_successes_are_better_and_more_failures_worse() -> None:
    high = Compared("task_success", "rate", 10, better="higher")
    base, candidate = side({"task_success": [0.0] * 30}), side({"task_success": [100.0] * 30})
    found = one(base, candidate, high)
    assert (found.base, found.candidate, found.verdict) == (0.0, 100.0, "better")
    assert one(candidate, base, high).verdict == "worse"


def test_holm_is_over_all_pairs_and_metrics_and_intervals_agree_with_verdicts() -> None:
    base = side({"voice_to_voice": RAMP, "llm_ttft": RAMP})
    rng = np.random.default_rng(11)
    others = [
        side(
            {
                "voice_to_voice": [v + rng.normal(shift, 20) for v in RAMP],
                "llm_ttft": [v * rng.lognormal(shift / 400, 0.05) for v in RAMP],
            }
        )
        for shift in (0, 8, 12, 30)
    ]
    found = [c for pair in compare([(base, o) for o in others], [V2V, TTFT]) for c in pair.metrics]
    assert len(found) == 8
    assert min(c.tested.level for c in found if c.tested) == pytest.approx(0.05 / 8)
    for c in found:
        _, low, high = c.change
        same = 1.0 if c.compared.scale == "ratio" else 0.0
        assert low is not None and high is not None
        assert (low > same or high < same) == (c.direction is not None)


def test_metrics_that_only_one_side_has_are_named_and_not_compared() -> None:
    base = side({"voice_to_voice": RAMP, "endpointing_delay": RAMP})
    (pair,) = compare([(base, side({"voice_to_voice": RAMP}))])
    assert pair.one_sided == ("endpointing_delay",)
    assert "endpointing_delay" not in [c.compared.metric for c in pair.metrics]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(20, 40))
def test_swapping_the_sides_turns_the_verdict_round(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    base = side({"voice_to_voice": rng.normal(400, 30, n).tolist()})
    other = side({"voice_to_voice": rng.normal(415, 30, n).tolist()})
    here, there = one(base, other, V2V), one(other, base, V2V)
    assert here.change[0] == pytest.approx(-(there.change[0] or 0))
    turned = {"better": "worse", "worse": "better", None: None}
    assert here.direction == turned[there.direction]


# What must match

MACHINE = {"cpu": "x", "cores": 2, "memory_gb": 23.5, "system": "Linux-6.1", "packages": {"a": "1"}}


def origin(path: str = "a", schema: int = 2, **machine: object) -> Origin:
    return Origin(path, {"machine": {**MACHINE, **machine}}, schema)


def test_two_runs_of_one_machine_may_be_compared_and_what_lies_between_is_said() -> None:
    (note,) = check_runs(origin("a"), origin("b", memory_gb=23.6), across_machines=False)
    assert "one after the other" in note
    nowhere = Origin("a", {}, 2)
    assert check_runs(nowhere, nowhere, across_machines=False) == []


def test_another_machine_is_refused_unless_it_is_meant_and_what_differs_is_said() -> None:
    other = origin("b", cpu="y", cores=8)
    with pytest.raises(NotComparableError, match="cpu: x and y; cores: 2 and 8") as told:
        check_runs(origin(), other, across_machines=False)
    assert "--across-machines" in str(told.value)
    (note,) = check_runs(origin(), other, across_machines=True)
    assert "different machines" in note


def test_a_run_that_does_not_say_its_machine_is_refused() -> None:
    with pytest.raises(NotComparableError, match="b does not say on which"):
        check_runs(origin(), Origin("b", {}, 2), across_machines=False)


def test_another_schema_is_refused_with_the_command_that_fixes_it() -> None:
    with pytest.raises(NotComparableError, match=r"duplex-lab metrics old$"):
        check_runs(origin("new"), origin("old", schema=1), across_machines=True)


def test_other_versions_are_allowed_and_said() -> None:
    other = origin("b", system="Linux-6.2", packages={"a": "2"}, commit={"sha": "f" * 40})
    notes = check_runs(origin("a"), other, across_machines=False)
    assert "system: Linux-6.1, then Linux-6.2." in notes
    assert "a: 1, then 2." in notes
    assert "commit: –, then ffffffffff." in notes


def sides(base: list, candidate: list) -> tuple[Side, Side]:
    return Side.of("r", "a", base, []), Side.of("s", "b", candidate, [])


def test_other_audio_under_the_same_name_is_refused_and_named() -> None:
    base = [trial(f"f{i}", preset="a", sha256="1") for i in range(5)]
    candidate = [trial(f"f{i}", preset="b", sha256="2" if i else "1") for i in range(5)]
    with pytest.raises(NotComparableError, match="f1, f2, f3 and 1 more") as told:
        check_sides(*sides(base, candidate))
    assert "sha256" in str(told.value)


def test_other_weights_are_refused() -> None:
    base, candidate = trial("f", preset="a"), trial("f", preset="b", weights="synthetic")
    with pytest.raises(NotComparableError, match=r"trained and\s+synthetic"):
        check_sides(*sides([base], [candidate]))


def test_fixtures_that_one_side_lacks_are_left_out_and_named() -> None:
    base = [trial(name, preset="a") for name in ("f", "g", "h")]
    candidate = [trial(name, preset="b") for name in ("f", "i")]
    assert check_sides(*sides(base, candidate)) == [
        "Left out, only a (r) heard them: g, h.",
        "Left out, only b (s) heard them: i.",
    ]


def test_sides_that_share_no_fixture_are_refused() -> None:
    with pytest.raises(NotComparableError, match="share no fixture"):
        check_sides(*sides([trial("f", preset="a")], [trial("g", preset="b")]))


def test_other_prerolls_are_said() -> None:
    base, candidate = trial("f", preset="a"), trial("f", preset="b", preroll_ms=160.0)
    assert check_sides(*sides([base], [candidate])) == [
        "Heard behind different pre-rolls: B = 0, then 160 ms."
    ]


def test_other_networks_are_said() -> None:
    base = trial("f", preset="a")
    candidate = replace(trial("f", preset="b"), network="lte")
    assert check_sides(*sides([base], [candidate])) == [
        "Over different networks (none, then lte): every difference is theirs too."
    ]


# Text


def test_the_table_shows_signs_units_and_the_interval() -> None:
    base = side({"voice_to_voice": RAMP, "llm_ttft": RAMP})
    fast = side({"voice_to_voice": [v - 40 for v in RAMP], "llm_ttft": [0.5 * v for v in RAMP]})
    (pair,) = compare([(base, fast)], [V2V, TTFT])
    assert block(pair).rows == (
        ("voice_to_voice (ms)", "520", "480", "−40.0", "−40.0 to −40.0", "25", "faster"),
        ("llm_ttft (ms)", "520", "260", "0.500x", "0.500x to 0.500x", "25", "faster"),
    )
    text = markdown([pair], [])
    assert "| voice_to_voice (ms) | 520 | 480 | −40.0 | −40.0 to −40.0 | 25 | faster |" in text
    (data,) = as_data([pair], [])["pairs"]
    assert data["metrics"][0]["change"] == -40.0
    assert data["metrics"][0]["turns"] == 25
