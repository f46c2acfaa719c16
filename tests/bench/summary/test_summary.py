"""What is counted in a summary, and what is not."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bench.metrics.compute import compute
from bench.report.text.table import blocks, notes
from bench.simulated.turns import TurnPlan, labels_of, trial_of
from bench.store.expectation import Expectation
from bench.store.store import read_run, save_recording, write_info, write_trial
from bench.summary.summary import PresetSummary, RunSummary, summarise
from pipelines.kinds import Weights

HOLD = TurnPlan(expect=Expectation(respond=False), heard_ms=None)
SILENT = replace(TurnPlan(), heard_ms=None)
MISHEARD = TurnPlan(transcript="a bed clock", answer="sorry")


def run_of(
    folder: Path,
    plans: Sequence[TurnPlan],
    *,
    warmups: int = 0,
    weights: Weights = "trained",
    **info: object,
) -> RunSummary:
    """A run with one trial of one turn per plan, the first of them warm-ups."""
    fixtures = {}
    for i, plan in enumerate(plans):
        fixture = f"f{i}"
        trial, marks, pcm = trial_of([plan], preset="p", fixture=fixture, weights=weights)
        path = save_recording(folder, trial.trial_id, pcm, trial.rate_hz)
        trial = replace(trial, recording=path, warmup=i < warmups, started_utc=f"{i:03d}")
        write_trial(folder, trial, marks)
        fixtures[fixture] = labels_of(fixture, [plan]).to_dict()
    write_info(folder, {"fixtures": fixtures, **info})
    run = read_run(folder)
    return summarise(run, compute(run))


def only(summary: RunSummary) -> PresetSummary:
    (preset,) = summary.presets
    return preset


def test_valid_invalid_unanswered_and_unasked_turns_are_distinguished(tmp_path: Path) -> None:
    p = only(run_of(tmp_path, [TurnPlan(), TurnPlan(), SILENT, MISHEARD, HOLD]))
    assert (p.trials, p.turns, p.answered, len(p.values)) == (5, 4, 3, 2)
    assert [(s.trial_id, s.turn, s.reason) for s in p.invalid] == [("p.f3.0", 0, "WER 1.00 > 0.5")]
    assert p.invalid_rate == 0.25
    # Right: two answers, and the silence that was asked for.
    assert (p.success.value, p.success.n) == (0.6, 5)


def test_a_warm_up_is_in_no_figure(tmp_path: Path) -> None:
    summary = run_of(tmp_path, [MISHEARD, TurnPlan()], warmups=1)
    p = only(summary)
    assert summary.warmups == 1
    assert (p.trials, p.turns, len(p.invalid), p.wer) == (1, 1, 0, 0.0)


def test_the_wer_is_pooled_over_all_words(tmp_path: Path) -> None:
    short = TurnPlan(text="come here", transcript="come")
    p = only(run_of(tmp_path, [TurnPlan(), short]))
    assert p.wer == pytest.approx(100 / 9)


def test_synthetic_weights_have_no_turns_and_still_a_cost(tmp_path: Path) -> None:
    p = only(run_of(tmp_path, [TurnPlan()], weights="synthetic"))
    assert (p.turns, p.values, p.invalid_rate, p.wer, p.success.n) == (0, (), None, None, 0)
    assert p.p50.value is None
    assert p.figures["cpu_s_per_audio_min"].value == pytest.approx(12)


def test_medians_are_of_the_turns_that_count(tmp_path: Path) -> None:
    slow = TurnPlan(release_ms=251, transcript="a bed clock", answer="sorry")
    p = only(run_of(tmp_path, [TurnPlan(), slow]))
    assert p.median("endpointing_delay") == 250.0
    assert p.median("residual") == 6.0
    assert p.median("resample") == 0.0
    assert p.median("no such metric") is None


def test_the_share_below_zero_is_of_the_turns_that_count(tmp_path: Path) -> None:
    early = TurnPlan(
        vad_stop_ms=-300, stt_final_ms=-290, release_ms=-280, llm_request_ms=-279,
        first_token_ms=-270, to_tts_ms=-260, tts_request_ms=-259, first_byte_ms=-250,
        write_ms=-249, heard_ms=-248, leading_ms=0,
    )  # fmt: skip
    p = only(run_of(tmp_path, [TurnPlan(), early]))
    assert p.negative.value == 0.5


def test_the_calibration_is_read_from_the_runs_info(tmp_path: Path) -> None:
    summary = run_of(tmp_path, [TurnPlan()], calibration={"max_error_ms": 0.04})
    assert summary.calibration_error_ms == 0.04


def test_a_run_that_was_not_calibrated_says_so(tmp_path: Path) -> None:
    assert run_of(tmp_path, [TurnPlan()], calibration=None).calibration_error_ms is None


# Trials that fail


def killed(folder: Path, repeats: int, *, expect: Expectation | None = None) -> RunSummary:
    """A run of one turn, repeated: every second trial ends before it, for its agent was killed."""
    plan = TurnPlan() if expect is None else replace(TurnPlan(), expect=expect)
    for i in range(repeats):
        trial, marks, pcm = trial_of([plan], preset="p", fixture="f", repeat=i)
        path = save_recording(folder, trial.trial_id, pcm, trial.rate_hz)
        if i % 2:
            trial = replace(trial, status="error", error="the agent was killed")
            path, marks = None, []
        write_trial(folder, replace(trial, recording=path, started_utc=f"{i:03d}"), marks)
    write_info(folder, {"fixtures": {"f": labels_of("f", [plan]).to_dict()}})
    run = read_run(folder)
    return summarise(run, compute(run))


def test_an_agent_that_is_killed_in_5_of_10_trials_has_answered_5_of_10_turns(
    tmp_path: Path,
) -> None:
    summary = killed(tmp_path, 10)
    p = only(summary)
    assert (p.trials, p.turns, p.answered, len(p.values), len(p.invalid)) == (10, 10, 5, 5, 0)
    assert (p.invalid_rate, p.unanswered_rate, p.success.value) == (0.0, 0.5, 0.5)
    assert [f.trial_id for f in p.failed] == [f"p.f.{i}" for i in (1, 3, 5, 7, 9)]
    said = notes(summary)
    assert "p: 5 of 10 trials failed:" in said
    assert "  p.f.1: error: the agent was killed" in said
    assert "p: 5 of 10 turns had no answer." in said
    (row,) = blocks(summary)[0].rows
    assert row[:5] == ("p", "trained", "5/10", "0 %", "50 %")


def test_a_killed_agent_did_not_hold_its_peace(tmp_path: Path) -> None:
    p = only(killed(tmp_path, 4, expect=Expectation(respond=False)))
    assert (p.turns, p.success.value) == (0, 0.0)  # it spoke in two trials, and died in two


def test_of_synthetic_weights_that_failed_no_turn_is_asked(tmp_path: Path) -> None:
    trial, marks, _ = trial_of([TurnPlan()], weights="synthetic")
    write_trial(tmp_path, replace(trial, turns=3, status="cut_off"), marks)
    write_info(tmp_path, {})
    run = read_run(tmp_path)
    p = only(summarise(run, compute(run)))
    assert (p.turns, len(p.failed), p.unanswered_rate) == (0, 1, None)


def test_answers_that_were_cut_are_counted_in_the_notes(tmp_path: Path) -> None:
    one = run_of(tmp_path, [TurnPlan()])
    p = only(one)
    assert p.premature == 0
    for count, text in ((1, "1 answer began"), (3, "3 answers began")):
        said = notes(replace(one, presets=(replace(p, premature=count),)))
        verb = "was" if count == 1 else "were"
        assert f"p: {text} before the user had ended and {verb} cut." in said


# Repeats


def repeated(folder: Path, waits: Sequence[Sequence[float]]) -> RunSummary:
    """A run with one fixture per row; its repeats release the turn after these ms."""
    fixtures = {}
    for i, row in enumerate(waits):
        plans = [
            TurnPlan(
                release_ms=ms, llm_request_ms=ms + 2, first_token_ms=ms + 30, heard_ms=ms + 110
            )
            for ms in row
        ]
        for repeat, plan in enumerate(plans):
            trial, marks, pcm = trial_of([plan], preset="p", fixture=f"f{i}", repeat=repeat)
            path = save_recording(folder, trial.trial_id, pcm, trial.rate_hz)
            write_trial(folder, replace(trial, recording=path), marks)
        fixtures[f"f{i}"] = labels_of(f"f{i}", [TurnPlan()]).to_dict()
    write_info(folder, {"fixtures": fixtures})
    run = read_run(folder)
    return summarise(run, compute(run))


def test_repeats_of_a_turn_count_once_by_their_median(tmp_path: Path) -> None:
    p = only(repeated(tmp_path, [[250, 251, 290], [260, 262], [240]]))
    assert (p.turns, len(p.values)) == (6, 6)
    assert (p.p50.n, p.p95.n, p.success.n, p.negative.n, p.figures["cpu_s_per_audio_min"].n) == (
        3,
        3,
        3,
        3,
        3,
    )
    assert p.medians["endpointing_delay"].n == 3
    assert p.median("endpointing_delay") == 251.0  # of 251, 261 and 240
    assert p.p95.insufficient == "insufficient n (3, 59)"


def test_with_one_repeat_every_turn_counts(tmp_path: Path) -> None:
    p = only(repeated(tmp_path, [[250], [251], [290]]))
    assert (p.p50.n, p.median("endpointing_delay")) == (3, 251.0)


# What measuring takes


def test_a_caller_that_takes_more_than_it_may_is_reported(tmp_path: Path) -> None:
    summary = run_of(tmp_path, [TurnPlan()])
    p = only(summary)
    assert p.caller_cpu_percent == pytest.approx(3.0) and p.caller_rss_mb == 120.0
    assert not any("measuring side took" in note for note in notes(summary))
    heavy = replace(p, caller_cpu_percent=12.4, caller_rss_mb=301.0)
    said = notes(replace(summary, presets=(heavy,)))
    assert "p: the measuring side took up to 12 % of a core (aim: at most 10)." in said
    assert "p: the measuring side took up to 301 MB (aim: at most 300)." in said
