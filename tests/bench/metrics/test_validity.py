"""Which figures may count: what was misheard, what the weights refuse, a ruler that bent."""

from dataclasses import fields, replace
from typing import Any

import pytest

from bench.metrics.compute import compute_trial
from bench.metrics.table import METRICS
from bench.simulated.turns import RATE_HZ, TurnPlan, after_u_off, labels_of, rows_of, trial_of
from bench.store.expectation import Expectation
from pipelines.kinds import Kind, Weights

SAMPLE_MS = 1000 / RATE_HZ


def test_a_turn_that_was_misheard_is_not_valid_and_still_shown() -> None:
    plan = TurnPlan(transcript="put a bed clock on a stable", answer="the clock is in its bed")
    rows = rows_of([plan])
    row = rows[0, "voice_to_voice"]
    assert row.value == pytest.approx(384, abs=SAMPLE_MS)
    assert (row.valid, row.reason) == (False, "WER 0.71 > 0.5")
    assert rows[0, "stt_wer"].valid  # or only good transcripts would be counted
    assert rows[0, "stt_word_errors"].value == 5.0
    assert rows[0, "task_success"].valid


@pytest.mark.parametrize("transcript", [None, "", " . "])
def test_an_empty_transcript_is_not_valid(transcript: str | None) -> None:
    row = rows_of([TurnPlan(transcript=transcript)])[0, "voice_to_voice"]
    assert (row.valid, row.reason) == (False, "empty transcript")


def test_a_wer_of_exactly_one_half_is_valid() -> None:
    row = rows_of([TurnPlan(text="come here", transcript="come hair")])[0, "voice_to_voice"]
    assert row.valid


def test_a_turn_that_was_answered_rightly_is_valid_whatever_its_transcript() -> None:
    rows = rows_of([TurnPlan(transcript="put a bed clock on a stable")])
    assert rows[0, "task_success"].value == 100.0
    assert rows[0, "stt_wer"].value == pytest.approx(500 / 7)
    assert rows[0, "voice_to_voice"].valid


OPEN = Expectation()
"""The fixture does not say what a right answer names."""
LEFT = Expectation(slots={"direction": ("left",)})


@pytest.mark.parametrize(
    ("text", "transcript", "expect", "answer", "reason"),
    [
        ("two", "too", OPEN, "what do you mean", None),
        ("turn left", "burn lift", OPEN, "what do you mean", None),
        ("turn left", "burn lift", LEFT, "I turn left", None),
        ("turn left", "burn lift", LEFT, "I burn the lift", "WER 1.00 > 0.5"),
        ("turn left now", "burn lift now", OPEN, "what do you mean", "WER 0.67 > 0.5"),
        ("turn left now", "burn lift now", LEFT, "I turn left", None),
        ("two", " … ", OPEN, "what do you mean", "empty transcript"),
    ],
)
def test_a_turn_of_two_words_is_never_thrown_out_by_its_words_alone(
    text: str, transcript: str, expect: Expectation, answer: str, reason: str | None
) -> None:
    plan = TurnPlan(text=text, transcript=transcript, expect=expect, answer=answer)
    row = rows_of([plan])[0, "voice_to_voice"]
    assert (row.valid, row.reason) == (reason is None, reason)


@pytest.mark.parametrize(
    ("said", "transcript"),
    [
        ("call me at seven thirty tomorrow", "Call me at 7:30 tomorrow."),
        ("twenty five percent of nine hundred", "25% of 900"),
        ("привет мир как дела", "Привет, мир! Как дела?"),
        ("你好世界", "你好，世界。"),
        ("नमस्ते दुनिया कैसे हो", "नमस्ते दुनिया, कैसे हो?"),
        ("مرحبا بالعالم", "مرحبا بالعالم!"),
    ],
)
def test_a_transcript_in_another_spelling_or_script_is_understood(
    said: str, transcript: str
) -> None:
    rows = rows_of([TurnPlan(text=said, transcript=transcript, expect=OPEN)])
    assert rows[0, "stt_wer"].value == 0.0
    assert (rows[0, "voice_to_voice"].valid, rows[0, "voice_to_voice"].reason) == (True, None)


def test_the_raw_word_error_rate_is_kept_beside_the_normalised_one() -> None:
    plan = TurnPlan(text="call me at seven thirty", transcript="call me at 7:30", expect=OPEN)
    rows = rows_of([plan])
    assert (rows[0, "stt_wer"].value, rows[0, "stt_words"].value) == (0.0, 4.0)
    assert rows[0, "stt_wer_raw"].value == 40.0


def shifted(plan: TurnPlan, by_ms: float) -> TurnPlan:
    """All that the agent does, earlier (negative) or later."""
    kept = {"u_on_ms", "u_off_ms", "stop_secs", "leading_ms", "speech_ms"}
    times: dict[str, Any] = {
        field.name: getattr(plan, field.name) + by_ms
        for field in fields(plan)
        if field.name.endswith("_ms") and field.name not in kept
    }
    return replace(plan, **times)


@pytest.mark.parametrize(
    ("answered_ms", "reason"),
    [
        (-1000.0, None),
        (-1001.0, "began 1001 ms before the user's end: no answer to the whole turn"),
        (-6795.0, "began 6795 ms before the user's end: no answer to the whole turn"),
    ],
)
def test_a_voice_to_voice_below_minus_one_second_is_never_valid(
    answered_ms: float, reason: str | None
) -> None:
    plan = shifted(TurnPlan(u_off_ms=9000.0, speech_ms=8000.0), answered_ms - 384)
    for weights in ("trained", "scripted"):
        row = rows_of([plan], weights=weights)[0, "voice_to_voice"]
        assert row.value == pytest.approx(answered_ms, abs=SAMPLE_MS)
        if abs(answered_ms + 1000) > SAMPLE_MS:
            assert (row.valid, row.reason) == (reason is None, reason)


def test_a_script_needs_no_transcript_and_has_no_content() -> None:
    rows = rows_of([TurnPlan(transcript=None)], weights="scripted")
    assert rows[0, "voice_to_voice"].valid
    for name in ("stt_wer", "task_success"):
        assert rows[0, name].value is None
        assert rows[0, name].reason == "scripted: nothing was recognised or meant"


def test_synthetic_weights_are_refused_every_figure_of_a_conversation() -> None:
    rows = rows_of([TurnPlan()], weights="synthetic")
    assert {"voice_to_voice", "stt_wer"} <= {metric for _, metric in rows}
    for metric in METRICS:
        if metric.group in ("latency", "content") and (0, metric.name) in rows:
            assert rows[0, metric.name].value is None
            assert rows[0, metric.name].reason == "synthetic weights carry no conversation"
    assert rows[-1, "cpu_s_per_audio_min"].value == pytest.approx(12)
    assert rows[-1, "loop_lag_p50"].value == pytest.approx(0.3)


def test_a_late_mouth_spoils_the_trial_but_not_the_figures_about_the_mouth() -> None:
    rows = rows_of([TurnPlan()], mouth_late_ms=5.5)
    assert not rows[0, "voice_to_voice"].valid
    assert rows[0, "voice_to_voice"].reason == "mouth late: p99 5.5 ms > 5 ms"
    assert not rows[0, "task_success"].valid
    assert rows[-1, "mouth_lateness_p99"].valid
    assert rows[-1, "loop_lag_p99"].valid


def test_a_late_agent_spoils_nothing() -> None:
    rows = rows_of([TurnPlan()])
    slow = [after_u_off(400, "link", "chunk_in", value=0.0)]
    late = rows_of([TurnPlan()], extra=slow)
    assert late[-1, "loop_lag_max"].value == pytest.approx(2400 - 20)
    assert late[0, "voice_to_voice"] == rows[0, "voice_to_voice"]


def test_an_answer_that_can_not_be_traced_to_its_turn_is_not_valid() -> None:
    rows = rows_of([TurnPlan()], drop="ear.heard")
    row = rows[0, "voice_to_voice"]
    assert row.value == pytest.approx(384, abs=SAMPLE_MS)
    assert (row.valid, row.reason) == (
        False,
        "the sound can't be traced to a request of this turn",
    )
    assert rows[0, "task_success"].valid


@pytest.mark.parametrize(
    ("kind", "weights", "valid", "reason"),
    [
        ("cascade", "trained", False, "empty transcript"),
        ("duplex", "trained", True, None),
        ("click", "trained", True, None),
        ("scripted", "scripted", True, None),
    ],
)
def test_only_a_cascade_needs_a_transcript(
    kind: Kind, weights: Weights, valid: bool, reason: str | None
) -> None:
    trial, marks, pcm = trial_of([TurnPlan(transcript=None)], weights=weights)
    rows = compute_trial(replace(trial, kind=kind), marks, pcm, labels_of("x", [TurnPlan()]))
    (row,) = [r for r in rows if r.metric == "voice_to_voice"]
    assert (row.valid, row.reason) == (valid, reason)


def test_a_duplex_model_without_a_stream_of_text_is_not_valid() -> None:
    trial, marks, pcm = trial_of([TurnPlan(answer=" … ")])
    rows = compute_trial(replace(trial, kind="duplex"), marks, pcm, None)
    (row,) = [r for r in rows if r.metric == "voice_to_voice"]
    assert (row.valid, row.reason) == (False, "empty text stream")


@pytest.mark.parametrize(
    ("piece", "turn", "valid"),
    [(" yes", 0, True), (" 7", 0, True), (" …", 0, False), (" yes", 1, False)],
)
def test_an_utterance_that_flows_over_from_the_turn_before_is_a_stream_of_text(
    piece: str, turn: int, valid: bool
) -> None:
    trial, marks, pcm = trial_of([TurnPlan(answer="")])
    flowing = replace(after_u_off(100, "duplex", "text", "d", text=piece), turn=turn)
    rows = compute_trial(replace(trial, kind="duplex"), [*marks, flowing], pcm, None)
    (row,) = [r for r in rows if r.metric == "voice_to_voice"]
    assert (row.valid, row.reason) == (valid, None if valid else "empty text stream")


def test_without_labels_a_trained_turn_can_not_be_believed() -> None:
    trial, marks, pcm = trial_of([TurnPlan()])
    by_name = {row.metric: row for row in compute_trial(trial, marks, pcm, None)}
    assert not by_name["voice_to_voice"].valid
    assert by_name["stt_wer"].value is None
