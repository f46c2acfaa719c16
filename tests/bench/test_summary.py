"""What is counted in a summary, and what is not."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bench.example_run import TurnPlan, labels_of, trial_of
from bench.judge import Expectation
from bench.metrics import compute
from bench.store import read_run, save_recording, write_info, write_trial
from bench.summary import PresetSummary, RunSummary, summarise

HOLD = TurnPlan(expect=Expectation(respond=False), heard_ms=None)
SILENT = replace(TurnPlan(), heard_ms=None)
MISHEARD = TurnPlan(transcript="a bed clock")


def run_of(
    folder: Path,
    plans: Sequence[TurnPlan],
    *,
    warmups: int = 0,
    weights: str = "trained",
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


def test_valid_invalid_unanswered_and_unasked_turns_are_told_apart(tmp_path: Path) -> None:
    p = only(run_of(tmp_path, [TurnPlan(), TurnPlan(), SILENT, MISHEARD, HOLD]))
    assert (p.trials, p.turns, p.answered, len(p.values)) == (5, 4, 3, 2)
    assert [(s.trial_id, s.turn, s.reason) for s in p.invalid] == [("p.f3.0", 0, "WER 1.00 > 0.5")]
    assert p.invalid_rate == 0.25
    # Right: two answers, the silence that was asked for, and the answer to what was misheard.
    assert (p.success.value, p.success.n) == (0.8, 5)


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
    assert p.cpu.value == pytest.approx(12)


def test_medians_are_of_the_turns_that_count(tmp_path: Path) -> None:
    slow = TurnPlan(release_ms=251, transcript="a bed clock")
    p = only(run_of(tmp_path, [TurnPlan(), slow]))
    assert p.median("turn_wait") == 250.0
    assert p.median("residual") == 6.0
    assert p.median("resample") is None
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
