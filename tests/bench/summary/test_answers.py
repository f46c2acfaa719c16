"""Shares of parts, outliers and verdicts, on answers whose parts are known."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest

from bench.causes.table import BY_NAME
from bench.report.text.console import Screen
from bench.report.text.first_look.headline import headline, print_headline, sentences
from bench.report.text.listing import as_csv
from bench.simulated.turns import TurnPlan
from bench.store.labels import proposed_note
from bench.summary.answers import RESIDUAL, Answer, shares, slow
from bench.summary.causes import PresetCauses, Slow, Tally
from bench.summary.frames import DuplexSummary
from bench.summary.outliers import outliers
from bench.summary.summary import PresetSummary, RunSummary, Spoilt
from bench.summary.verdict import PARTS, main_cause, outlier_sentence, verdict, verdicts
from pipelines.spec import preset_names
from tests.bench.summary.test_summary import only, run_of

LATE_MS = 3000.0


def later(plan: TurnPlan, ms: float) -> TurnPlan:
    """The same turn with a release that much later."""
    named = (
        "release_ms", "llm_request_ms", "first_token_ms", "to_tts_ms", "tts_request_ms",
        "first_byte_ms", "write_ms", "heard_ms",
    )  # fmt: skip
    return replace(plan, **{name: getattr(plan, name) + ms for name in named})


def answer(ms: float, *, turn: int = 0, fixture: str = "f", **parts: float) -> Answer:
    return Answer(f"p.{fixture}.0", fixture, turn, ms, tuple(parts.items()))


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> RunSummary:
    """25 turns of 384 ms, 5 of which were released 3 s later."""
    plans = [later(TurnPlan(), LATE_MS) if i % 5 == 0 else TurnPlan() for i in range(25)]
    return run_of(tmp_path_factory.mktemp("run"), plans, calibration={"max_error_ms": 0.1})


def test_the_parts_of_an_answer_add_up_to_it(summary: RunSummary) -> None:
    for one in only(summary).answers:
        assert sum(ms for _, ms in one.parts) == pytest.approx(one.ms)
    parts = dict(only(summary).answers[1].parts)
    assert parts == pytest.approx(
        {"endpointing_delay": 250, "llm_to_clause": 78, "tts_ttfa": 49, "output": 1, RESIDUAL: 6},
        abs=0.05,
    )


def test_a_share_is_the_median_of_the_turns_own_shares(summary: RunSummary) -> None:
    largest = only(summary).shares[0]
    assert largest.part == "endpointing_delay"
    assert largest.ms == pytest.approx(250)
    assert largest.share == pytest.approx(250 / 384, abs=1e-4)


def test_repeats_of_a_turn_count_once_and_negative_answers_have_no_share() -> None:
    found = shares(
        [
            answer(100, a=90, b=10),
            answer(100, a=80, b=20),
            answer(100, a=20, b=80, fixture="g"),
            answer(-50, a=-50, b=0, fixture="h"),
            answer(100, fixture="not split"),
        ]
    )
    # 85 of the first turn's two repeats, and 20: their median.
    assert {one.part: one.share for one in found} == pytest.approx({"a": 0.525, "b": 0.475})


def test_an_outlier_takes_more_than_a_second_and_half_as_long_again() -> None:
    answers = [answer(ms) for ms in (300, 999, 1001, 3300)]
    assert [one.ms for one in slow(answers, 300)] == [3300, 1001]
    assert [one.ms for one in slow(answers, 900)] == [3300]
    assert slow(answers, None) == ()


def test_outliers_are_grouped_by_their_cause_or_else_by_their_largest_part() -> None:
    answers = [
        answer(3300, turn=0, endpointing_delay=3000, llm_to_clause=300),
        answer(3100, turn=1, endpointing_delay=3000, llm_to_clause=100),
        answer(2000, turn=2, endpointing_delay=200, llm_to_clause=1800),
        answer(2100, turn=3),
    ]
    by_part = [outlier_sentence(group, 20) for group in outliers(answers, 400)]
    assert by_part == [
        "2 of 20 turns took 3.1–3.3 s, most of it in endpointing",
        "1 of 20 turns took 2.1 s",
        "1 of 20 turns took 2.0 s, most of it in the LLM",
    ]
    known = {("p.f.0", 0): "smart-turn said incomplete", ("p.f.0", 1): "smart-turn said incomplete"}
    first = outliers(answers, 400, known)[0]
    assert outlier_sentence(first, 2) == "2 of 2 turns took 3.1–3.3 s: smart-turn said incomplete"


def test_the_headline_is_a_line_a_preset_and_its_sentences_name_the_outliers(
    summary: RunSummary,
) -> None:
    (line,) = headline(summary).block().rows
    assert line == ("p", "384 [384–384]", "3384", "5", "endpointing 65 %", "25/25", "100 %")
    assert list(sentences(summary, Path("r"))) == [
        "p: 5 of 25 turns took 3.4 s, most of it in endpointing; see duplex-lab show r/p.f0.0",
        "p: endpointing is 65 % of the answer; cascade-embedded waits less.",
        "n: 25 turns in 25 conversations.",
    ]


def test_a_preset_that_has_least_of_a_part_names_the_next(summary: RunSummary) -> None:
    p = only(summary)
    said = {name: verdict(replace(p, preset=name)) for name in ("cascade-stock", "duplex-nano")}
    assert said["cascade-stock"].endswith("; cascade-embedded waits less.")
    assert said["duplex-nano"] == "endpointing is 65 % of the answer."
    embedded = verdict(replace(p, preset="cascade-embedded"))
    assert embedded == "endpointing is 65 % of the answer; duplex-nano has none."


def test_scripted_stages_are_told_of_no_other_preset(summary: RunSummary) -> None:
    p = replace(only(summary), weights="scripted")
    assert verdict(p) == "endpointing is 65 % of the answer."


def test_without_an_answer_or_without_parts_the_verdict_says_why(summary: RunSummary) -> None:
    p = only(summary)
    none = replace(p, answers=(), values=(), answered=0)
    assert verdict(none) == "no answer counts: 25 of 25 turns had none, 0 are not valid."
    unsplit = replace(p, answers=tuple(replace(one, parts=()) for one in p.answers))
    assert verdict(unsplit).startswith("its answers are not split")


def test_every_preset_that_a_verdict_names_is_shipped() -> None:
    named = {preset for words in PARTS.values() for preset, _ in words.less}
    assert named <= set(preset_names())


def test_doubtful_figures_are_warned_of(summary: RunSummary) -> None:
    p = only(summary)
    spoilt = tuple(Spoilt(f"p.f{i}.0", 0, "mouth late") for i in range(9))
    bad = replace(summary, info={}, presets=(replace(p, invalid=spoilt),))
    said = list(sentences(bad, Path("r")))
    assert "The harness was not calibrated in this run." in said
    assert "p: 36 % of the turns are not valid." in said
    late = replace(summary, info={"calibration": {"max_error_ms": 9.2}})
    assert "The harness's own error reached 9.2 ms: the machine was busy." in list(
        sentences(late, Path("r"))
    )


def test_a_run_of_two_presets_says_both_ns_once_where_they_are_the_same(
    summary: RunSummary,
) -> None:
    p = only(summary)
    both = replace(summary, presets=(p, replace(p, preset="q")))
    assert list(sentences(both, Path("r")))[-1] == "n: 25 turns in 25 conversations each."
    assert list(verdicts(both)) == ["p", "q"]


def incomplete(name: str, p: PresetSummary) -> PresetCauses:
    """Smart-turn cost 3 s in each slow answer of a preset, and explains them."""
    cause, turns = BY_NAME["smart_turn_incomplete"], [(a.trial_id, 0) for a in p.answers[:5]]
    slow_turns = tuple((a.trial_id, 0) for a in p.answers if a.ms > 1000)
    tally = Tally(cause, 5, LATE_MS, LATE_MS, turns[0], 5 * LATE_MS)
    return PresetCauses(name, 25, (tally,), (Slow(cause, (3384.0,) * 5, slow_turns),))


def test_the_verdict_names_the_largest_cause_unless_it_cost_next_to_nothing(
    summary: RunSummary,
) -> None:
    p, causes = only(summary), incomplete("p", only(summary))
    known = replace(summary, causes=(causes,))
    assert verdicts(known)["p"] == (
        "endpointing is 65 % of the answer: smart-turn said incomplete; "
        "cascade-embedded waits less."
    )
    in_short = verdict(p, cause=main_cause(p, causes), is_short=True)
    assert in_short == "endpointing is 65 % of the answer: smart-turn said incomplete."
    unsplit = replace(p, answers=tuple(replace(one, parts=()) for one in p.answers))
    assert verdict(unsplit, cause=causes.largest) == "smart-turn said incomplete."
    (tally,) = causes.tallies
    little = replace(causes, tallies=(replace(tally, lost_ms=0.049 * sum(p.values)),))
    assert verdicts(replace(summary, causes=(little,))) == verdicts(summary)


def test_a_cause_that_explains_the_outliers_is_said_once_in_the_headline(
    summary: RunSummary,
) -> None:
    known = replace(summary, causes=(incomplete("p", only(summary)),))
    said = list(sentences(known, Path("r")))
    assert said[:2] == [
        "p: 5 of 25 turns took 3.4 s: smart-turn said incomplete; see duplex-lab show r/p.f0.0",
        "p: endpointing is 65 % of the answer; cascade-embedded waits less.",
    ]
    unexplained = replace(known, causes=(replace(known.causes[0], slow=()),))
    assert list(sentences(unexplained, Path("r")))[1] == (
        "p: endpointing is 65 % of the answer: smart-turn said incomplete."
    )


def test_the_headlines_rows_carry_cause_and_notes_into_csv_and_json(summary: RunSummary) -> None:
    noisy = replace(only(summary), ambience_dbfs=(-40.2, -38.9))
    known = replace(
        summary, presets=(noisy,), causes=(incomplete("p", noisy),), proposed=("mine", "yours")
    )
    (row,) = headline(known).rows
    assert (row["largest_cause"], row["largest_cause_ms"]) == ("smart_turn_incomplete", LATE_MS)
    assert row["notes"] == [
        "p: its channel is never silent in 2 of 25 trials (ambience of −40 dBFS to −39 dBFS): "
        "heard is what rises 10 dB above that.",
        proposed_note(["mine", "yours"]),
    ]
    (cells,) = csv.DictReader(io.StringIO(as_csv([headline(known)])))
    assert cells["notes"] == ", ".join(row["notes"])
    assert set(row["notes"]) <= set(sentences(known, Path("r")))


def test_the_headline_of_three_presets_takes_twelve_lines_of_80_columns(
    summary: RunSummary,
) -> None:
    slow = replace(only(summary), preset="cascade-stock")
    kept = tuple(one for one in slow.answers if one.ms < 1000)
    quick = replace(slow, preset="cascade-embedded", answers=kept, values=(384.0,) * 20)
    duplex = replace(quick, preset="duplex-nano", answers=tuple(replace(a, parts=()) for a in kept))
    frames = DuplexSummary(
        "duplex-nano", "trained", 20, 2095, True, {"service_p50": 9.1, "drift": None},
        False, False, False, 0, 0, 0, (),
    )  # fmt: skip
    three = replace(summary, presets=(quick, slow, duplex), duplex=(frames,))
    three = replace(three, causes=(incomplete("cascade-stock", slow),))
    out = io.StringIO()
    print_headline(three, Path("results/1201-0102"), Screen(out, 80))
    assert out.getvalue().splitlines() == [
        "Voice to voice, as heard: ms from the user's last sound to the agent's first",
        "preset               p50 [95 %]   max  > 1 s  largest stage     answered  right",
        "───────────────────────────────────────────────────────────────────────────────",
        "cascade-embedded  384 [384–384]   384      0  endpointing 65 %     25/25  100 %",
        "cascade-stock     384 [384–384]  3384      5  endpointing 65 %     25/25  100 %",
        "duplex-nano       384 [384–384]   384      0  –                    25/25  100 %",
        "cascade-stock: 5 of 25 turns took 3.4 s: smart-turn said incomplete; see",
        "duplex-lab show results/1201-0102/p.f0.0",
        "cascade-embedded: endpointing is 65 % of the answer; duplex-nano has none.",
        "cascade-stock: endpointing is 65 % of the answer; cascade-embedded waits less.",
        "duplex-nano: a frame takes 9 of 80 ms; when to answer is the model's own choice.",
        "n: 25 turns in 25 conversations each.",
    ]
