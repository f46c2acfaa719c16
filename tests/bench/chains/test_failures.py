"""Answers that never came, came too early, or that nobody is left to give: failures, not gaps."""

from dataclasses import replace

import pytest

from bench.metrics.compute import compute_trial
from bench.metrics.table import METRICS
from bench.simulated.turns import RATE_HZ, TurnPlan, after_u_off, labels_of, rows_of, trial_of
from bench.store.expectation import Expectation
from bench.store.records import MetricRow

SAMPLE_MS = 1000 / RATE_HZ


def test_no_answer_is_null_with_its_reason_and_a_failed_task_never_zero_milliseconds() -> None:
    rows = rows_of([replace(TurnPlan(), heard_ms=None)])
    row = rows[0, "voice_to_voice"]
    assert (row.value, row.valid, row.reason) == (None, True, "no answer")
    assert rows[0, "task_success"].value == 0.0
    assert rows[0, "endpointing_delay"].value == 250.0  # what did happen is still told
    assert rows[0, "output"].value is None
    assert rows[0, "residual"].value is None


def test_a_right_text_that_nobody_heard_is_a_failure() -> None:
    rows = rows_of([replace(TurnPlan(), heard_ms=None)])
    assert rows[0, "task_success"].value == 0.0


def unspoken_of(plan: TurnPlan, **changes: object) -> dict[str, MetricRow]:
    """Metric → row of the second turn of a trial that ended after its first."""
    trial, marks, pcm = trial_of([TurnPlan()])
    trial = replace(trial, turns=2, **changes)  # type: ignore[arg-type]
    rows = compute_trial(trial, marks, pcm, labels_of("x", [TurnPlan(), plan]))
    return {row.metric: row for row in rows if row.turn == 1}


def test_a_turn_that_a_failed_trial_left_out_is_no_answer_and_a_failed_task() -> None:
    rows = unspoken_of(TurnPlan(), status="error", error="the agent died")
    why = "the turn was not spoken (error: the agent died)"
    assert len(rows) == sum(metric.scope == "turn" for metric in METRICS)
    v2v, task = rows.pop("voice_to_voice"), rows.pop("task_success")
    assert (v2v.value, v2v.valid, v2v.reason) == (None, True, why)
    assert (task.value, task.valid, task.reason) == (0.0, True, why)
    others = {(row.value, row.valid, row.reason) for row in rows.values()}
    assert others == {(None, True, "the turn was not spoken")}


def test_a_cue_that_never_came_fails_the_turn_that_waited_for_it() -> None:
    rows = unspoken_of(TurnPlan(), status="cue_missed")
    assert rows["voice_to_voice"].reason == "the turn was not spoken (cue_missed)"
    assert rows["task_success"].value == 0.0


def test_an_unspoken_turn_of_weights_that_mean_nothing_is_not_judged() -> None:
    scripted = unspoken_of(TurnPlan(), status="error", weights="scripted")
    assert scripted["voice_to_voice"].reason == "the turn was not spoken (error)"
    assert scripted["task_success"].value is None
    synthetic = unspoken_of(TurnPlan(), status="error", weights="synthetic")
    for name in ("voice_to_voice", "task_success"):
        assert synthetic[name].reason == "synthetic weights carry no conversation"


def test_the_silence_of_an_agent_that_died_is_not_the_silence_that_was_asked_for() -> None:
    hold = replace(TurnPlan(), expect=Expectation(respond=False), heard_ms=None)
    left_out = unspoken_of(hold, status="error")
    assert left_out["task_success"].value == 0.0
    assert left_out["voice_to_voice"].reason == "no answer is expected here"
    trial, marks, pcm = trial_of([hold])
    for recording in (pcm, None):
        failed = replace(trial, status="error", error="the agent died")
        rows = compute_trial(failed, marks, recording, labels_of("x", [hold]))
        (row,) = [r for r in rows if r.metric == "task_success"]
        assert (row.value, row.reason) == (0.0, "error: the agent died")


def test_a_trial_that_failed_without_a_recording_has_failed_its_task() -> None:
    trial, marks, _ = trial_of([TurnPlan()])
    failed = replace(trial, status="error", error="no models")
    rows = compute_trial(failed, marks, None, labels_of("x", [TurnPlan()]))
    (row,) = [r for r in rows if r.metric == "task_success"]
    assert (row.value, row.reason) == (0.0, "no recording")


def test_a_fixture_that_commits_no_slots_is_not_judged_whatever_was_said() -> None:
    free = TurnPlan(expect=Expectation())
    why = "the fixture does not say what a right answer names"
    for plan in (free, replace(free, heard_ms=None)):
        row = rows_of([plan])[0, "task_success"]
        assert (row.value, row.reason) == (None, why)
    assert unspoken_of(free, status="error")["task_success"].value is None


def test_an_answer_that_was_cut_before_the_user_ended_is_counted_and_not_timed() -> None:
    # The user pauses; the agent answers for 50 ms, is cut, and answers again after the user's end.
    early = [
        after_u_off(-900, "turn", "release"),
        after_u_off(-899, "llm", "request", "early"),
        after_u_off(-870, "llm", "end", "early", text="I can not do that"),
        after_u_off(-860, "tts", "request", "early/s", text="I can not do that"),
        after_u_off(-851, "tts", "first_byte", "early/s"),
        after_u_off(-851, "agent", "answer_text", "early", text="I can not do that"),
        after_u_off(-850, "link", "write", "g1:99", value=0.0),
        after_u_off(-850, "ear", "received", "g1:99", value=1102.0),
        after_u_off(-850, "ear", "heard", "g1:99", value=1102.0),
        after_u_off(-800, "llm", "cancelled", "early"),
        after_u_off(-800, "link", "clear", value=2.0),
    ]
    trial, marks, pcm = trial_of([replace(TurnPlan(), heard_ms=760, write_ms=759)])
    pcm[round(1.15 * RATE_HZ) : round(1.2 * RATE_HZ), 1] = 6000
    rows = compute_trial(trial, [*marks, *early], pcm, labels_of("x", [TurnPlan()]))
    by_name = {row.metric: row for row in rows}
    v2v = by_name["voice_to_voice"]
    assert v2v.value == pytest.approx(800, abs=SAMPLE_MS)
    assert v2v.valid
    assert by_name["premature_starts"].value == 1.0
    assert by_name["endpointing_delay"].value == 250.0
    assert by_name["task_success"].value == 100.0  # by what was answered, not by what was cut


def test_an_answer_that_was_cut_is_no_silence_where_silence_is_asked() -> None:
    hold = replace(TurnPlan(), expect=Expectation(respond=False), heard_ms=None)
    trial, marks, pcm = trial_of([hold])
    pcm[round(1.15 * RATE_HZ) : round(1.2 * RATE_HZ), 1] = 6000
    cut = [after_u_off(-800, "link", "clear", value=2.0)]
    kept = [m for m in marks if m.stage != "tts"]  # an agent of which nothing is known
    rows = compute_trial(trial, [*kept, *cut], pcm, labels_of("x", [hold]))
    by_name = {row.metric: row for row in rows}
    task = by_name["task_success"]
    assert (task.value, task.reason) == (0.0, "it spoke")
    assert by_name["premature_starts"].value == 1.0


def test_a_failed_trials_latency_never_counts_even_where_it_was_answered() -> None:
    trial, marks, pcm = trial_of([TurnPlan()])
    trial = replace(trial, status="error", error="the LLM was started again")
    rows = compute_trial(trial, marks, pcm, labels_of("x", [TurnPlan()]))
    (row,) = [r for r in rows if r.metric == "voice_to_voice"]
    assert row.value is not None
    assert not row.valid
    assert row.reason == "the trial failed: the LLM was started again"


def test_an_error_of_the_agent_stands_beside_the_missing_answer() -> None:
    plan = replace(TurnPlan(), heard_ms=None)
    trial, marks, pcm = trial_of([plan])
    trial = replace(trial, status="error", error="the TTS died")
    rows = compute_trial(trial, marks, pcm, labels_of("x", [plan]))
    (row,) = [r for r in rows if r.metric == "voice_to_voice"]
    assert row.reason == "no answer; the trial failed: the TTS died"


def test_a_trial_that_failed_before_its_first_sample_gives_rows_all_the_same() -> None:
    plan = TurnPlan()
    trial, marks, _ = trial_of([plan])
    failed = replace(trial, status="error", error="no models", rate_hz=0, t0_ns=0, audio_s=0.0)
    for some in ([], marks):
        rows = compute_trial(failed, some, None, labels_of("x", [plan]))
        assert all(row.value is None for row in rows if row.metric == "voice_to_voice")
        intact = compute_trial(*trial_of([plan]), labels_of("x", [plan]))
        assert [row.metric for row in rows] == [row.metric for row in intact]


def test_without_a_recording_nothing_is_claimed_of_what_was_heard() -> None:
    trial, marks, _ = trial_of([TurnPlan()])
    rows = compute_trial(trial, marks, None, labels_of("x", [TurnPlan()]))
    by_name = {row.metric: row for row in rows}
    for name in ("voice_to_voice", "task_success"):
        assert (by_name[name].value, by_name[name].reason) == (None, "no recording")
