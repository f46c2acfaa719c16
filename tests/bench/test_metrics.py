"""Every metric on trials whose times are written by hand: exact answers, and honest nulls."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.example_run import RATE_HZ, T0_NS, TurnPlan, labels_of, trial_of
from bench.judge import Expectation
from bench.metrics import METRICS, compute_trial
from bench.records import MetricRow
from bench.segments import PIECES
from pipelines.marks import Mark, stamp

SAMPLE_MS = 1000 / RATE_HZ

SCRIPTED = TurnPlan(
    transcript=None,
    vad_stop_ms=30,
    release_ms=150,
    llm_request_ms=150,
    first_token_ms=450,
    to_tts_ms=450,
    tts_request_ms=450,
    first_byte_ms=600,
    write_ms=600,
    heard_ms=600,
    leading_ms=0,
)
"""The course's figures: turn wait and STT 150, LLM 300, TTS 150 ms; no hand-over costs anything."""


def rows_of(
    plans: Sequence[TurnPlan], *, extra: Sequence[Mark] = (), drop: str = "", **kwargs: object
) -> dict[tuple[int, str], MetricRow]:
    """(turn, metric) → row. ``extra`` marks are added, those of event ``drop`` are left out."""
    trial, marks, pcm = trial_of(plans, **kwargs)  # type: ignore[arg-type]
    marks = [m for m in [*marks, *extra] if f"{m.stage}.{m.event}" != drop]
    rows = compute_trial(trial, marks, pcm, labels_of("cmd_example", plans))
    return {(row.turn, row.metric): row for row in rows}


def after_u_off(ms: float, stage: str, event: str, rid: str = "", **more: object) -> Mark:
    """A mark ``ms`` after the default plan's u_off at 2.000 s."""
    t_ns = T0_NS + round((2000 + ms) * 1e6)
    return stamp(stage, event, t_ns=t_ns, request_id=rid, **more)  # type: ignore[arg-type]


def test_a_scripted_cascade_of_600_ms_reads_600_ms_within_one_sample() -> None:
    rows = rows_of([SCRIPTED], weights="scripted")
    assert rows[0, "voice_to_voice"].value == pytest.approx(600, abs=SAMPLE_MS)
    exact = {"turn_wait": 150.0, "llm_to_clause": 300.0, "llm_ttft": 300.0, "tts_ttfb": 150.0}
    assert {name: rows[0, name].value for name in exact} == exact
    assert rows[0, "tts_ttfa"].value == pytest.approx(150, abs=SAMPLE_MS)
    assert rows[0, "residual"].value == 0.0
    assert all(rows[0, name].valid for name in (*exact, "voice_to_voice"))


def test_each_stage_of_a_cascade_is_read_to_the_nanosecond() -> None:
    rows = rows_of([TurnPlan()])
    expected = {
        "turn_wait": 250.0,
        "stt_final": 230.0,
        "stt_tail": 30.0,
        "gap_release_to_llm": 2.0,
        "llm_ttft": 28.0,
        "llm_ttfat": 28.0,
        "llm_to_clause": 78.0,
        "llm_cancelled": 0.0,
        "gap_llm_to_tts": 1.0,
        "tts_ttfb": 9.0,
        "gap_tts_to_link": 3.0,
        "output": 1.0,
        "residual": 6.0,
        "stt_wer": 0.0,
        "task_success": 100.0,
    }
    assert {name: rows[0, name].value for name in expected} == expected
    assert rows[0, "tts_ttfa"].value == pytest.approx(9 + 40, abs=SAMPLE_MS)
    assert rows[0, "voice_to_voice"].value == pytest.approx(384, abs=SAMPLE_MS)


def test_the_event_log_counts_from_vad_stop_less_its_stop_secs() -> None:
    plan = TurnPlan(vad_stop_ms=260, stop_secs=0.2, release_ms=270, llm_request_ms=271)
    rows = rows_of([plan])
    assert rows[0, "voice_to_voice_logged"].value == 343 - 60
    heard = rows[0, "voice_to_voice"].value
    assert heard is not None
    assert rows[0, "heard_minus_logged"].value == heard - 283


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(st.floats(0, 400), min_size=7, max_size=7),
    leading=st.floats(0, 120),
    marked=st.booleans(),
)
def test_segments_and_gaps_add_up_to_voice_to_voice(
    steps: list[float], leading: float, marked: bool
) -> None:
    release, request, handed, spoken, byte, write, heard = np.cumsum(steps).tolist()
    plan = TurnPlan(
        stt_final_ms=release,
        vad_stop_ms=release,
        release_ms=release,
        llm_request_ms=request,
        first_token_ms=request,
        to_tts_ms=handed if marked else None,
        tts_request_ms=spoken,
        first_byte_ms=byte,
        write_ms=write,
        heard_ms=heard,
        leading_ms=leading,
        speech_ms=100,
    )
    rows = rows_of([plan], drop="llm.end")
    values = [rows[0, piece.name].value for piece in PIECES]
    assert (rows[0, "gap_llm_to_tts"].value is None) == (not marked)
    assert sum(v for v in values if v is not None) == pytest.approx(
        rows[0, "voice_to_voice"].value, abs=1e-6
    )
    gaps = [rows[0, piece.name].value for piece in PIECES if piece.is_gap]
    assert rows[0, "residual"].value == pytest.approx(sum(v for v in gaps if v is not None))


def test_no_answer_is_null_with_its_reason_and_a_failed_task_never_zero_milliseconds() -> None:
    rows = rows_of([replace(TurnPlan(), heard_ms=None)])
    row = rows[0, "voice_to_voice"]
    assert (row.value, row.valid, row.reason) == (None, True, "no answer")
    assert rows[0, "task_success"].value == 0.0
    assert rows[0, "turn_wait"].value == 250.0  # what did happen is still told
    assert rows[0, "output"].value is None
    assert rows[0, "residual"].value is None


def test_an_answer_before_the_user_has_ended_is_negative() -> None:
    eager = TurnPlan(
        vad_stop_ms=-500,
        stt_final_ms=-480,
        release_ms=-470,
        llm_request_ms=-469,
        first_token_ms=-450,
        to_tts_ms=-440,
        tts_request_ms=-439,
        first_byte_ms=-430,
        write_ms=-429,
        heard_ms=-428,
        leading_ms=28,
    )
    rows = rows_of([eager])
    assert rows[0, "voice_to_voice"].value == pytest.approx(-400, abs=SAMPLE_MS)
    assert rows[0, "turn_wait"].value == -470.0
    assert rows[0, "stt_tail"].value == 20.0


def test_a_final_transcript_before_the_vad_stop_has_a_tail_of_zero() -> None:
    rows = rows_of([TurnPlan(stt_final_ms=150, vad_stop_ms=200)])
    assert rows[0, "stt_tail"].value == 0.0
    assert rows[0, "stt_final"].value == 150.0


def test_marks_without_a_turn_are_given_to_the_turn_in_which_they_happened() -> None:
    second = TurnPlan(u_on_ms=4500, u_off_ms=6000, release_ms=300, llm_request_ms=310)
    rows = rows_of([TurnPlan(), second])
    assert rows[0, "turn_wait"].value == 250.0
    assert rows[1, "turn_wait"].value == 300.0
    assert rows[1, "gap_release_to_llm"].value == 10.0
    for turn in (0, 1):
        assert rows[turn, "voice_to_voice"].value == pytest.approx(384, abs=SAMPLE_MS)
        assert rows[turn, "task_success"].value == 100.0


def test_a_cancelled_llm_request_is_counted_apart_and_not_on_the_path() -> None:
    early = [
        after_u_off(-400, "turn", "release"),
        after_u_off(-399, "llm", "request", "early"),
        after_u_off(-300, "llm", "first_token", "early"),
        after_u_off(-290, "tts", "request", "early-tts"),
        after_u_off(-250, "llm", "cancelled", "early"),
        after_u_off(-249, "tts", "cancelled", "early-tts"),
    ]
    rows = rows_of([TurnPlan()], extra=early)
    assert rows[0, "llm_cancelled"].value == 1.0
    assert rows[0, "turn_wait"].value == 250.0
    assert rows[0, "llm_ttft"].value == 28.0
    assert rows[0, "tts_ttfb"].value == 9.0
    assert rows[0, "residual"].value == 6.0


def test_a_later_llm_request_whose_audio_came_after_the_onset_is_not_on_the_path() -> None:
    later = [
        after_u_off(350, "llm", "request", "more"),
        after_u_off(360, "llm", "first_token", "more"),
        after_u_off(370, "tts", "request", "more-tts"),
        after_u_off(700, "tts", "first_byte", "more-tts"),
    ]
    rows = rows_of([TurnPlan()], extra=later)
    assert rows[0, "llm_ttft"].value == 28.0
    assert rows[0, "residual"].value == 6.0


def test_a_tts_request_that_names_its_llm_request_is_that_ones_whenever_it_came() -> None:
    trial, marks, pcm = trial_of([TurnPlan()])
    other = after_u_off(300, "llm", "request", "tool")  # between l0 and its first text
    named = [replace(m, request_id="l0/s0") if m.request_id == "s0" else m for m in marks]
    rows = compute_trial(trial, [*named, other], pcm, labels_of("x", [TurnPlan()]))
    by_name = {row.metric: row.value for row in rows}
    assert (by_name["llm_ttft"], by_name["tts_ttfb"]) == (28.0, 9.0)


def test_a_text_of_which_no_audio_came_is_not_the_start_of_the_answer() -> None:
    silent = [after_u_off(330.5, "tts", "request", "dash", text="–")]
    rows = rows_of([TurnPlan()], extra=silent)
    assert rows[0, "tts_ttfb"].value == 9.0
    assert rows[0, "residual"].value == 6.0


def test_the_second_sentence_of_an_answer_does_not_stand_for_the_first() -> None:
    more = [
        after_u_off(345, "tts", "request", "second"),
        after_u_off(346, "tts", "first_byte", "second"),
    ]
    rows = rows_of([TurnPlan()], extra=more)
    assert rows[0, "tts_ttfb"].value == 9.0


@pytest.mark.parametrize(
    ("event", "metric", "reason"),
    [
        ("turn.release", "turn_wait", "no turn.release mark"),
        ("llm.first_token", "llm_ttft", "no llm.first_token mark"),
        ("llm.request", "llm_ttft", "no llm.request mark"),
        ("llm.request", "output", "no llm.request on the critical path"),
        ("tts.first_byte", "tts_ttfa", "no tts.first_byte on the critical path"),
        ("ear.heard", "residual", "no link.write on the critical path"),
        ("stt.final", "stt_final", "no stt.final mark"),
        ("vad.speech_stop", "stt_tail", "no vad.speech_stop mark"),
        ("pipecat.bot_started", "heard_minus_logged", "no pipecat.bot_started mark"),
        ("llm.to_tts", "gap_llm_to_tts", "no llm.to_tts mark: it lies in llm_to_clause"),
    ],
)
def test_a_missing_mark_makes_null_and_says_which(event: str, metric: str, reason: str) -> None:
    row = rows_of([SCRIPTED, TurnPlan(u_on_ms=5000, u_off_ms=6000)], drop=event)[1, metric]
    assert row.value is None
    assert row.reason is not None
    assert row.reason.startswith(reason)


def test_without_the_hand_over_mark_its_time_counts_to_the_language_model() -> None:
    rows = rows_of([TurnPlan(to_tts_ms=None)], drop="llm.end")
    assert rows[0, "llm_to_clause"].value == 79.0
    assert rows[0, "residual"].value == 5.0


# Validity


def test_a_turn_that_was_misheard_is_not_valid_and_still_shown() -> None:
    rows = rows_of([TurnPlan(transcript="put a bed clock on a stable")])
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


def test_a_script_needs_no_transcript_and_has_no_content() -> None:
    rows = rows_of([SCRIPTED], weights="scripted")
    assert rows[0, "voice_to_voice"].valid
    for name in ("stt_wer", "task_success"):
        assert rows[0, name].value is None
        assert rows[0, name].reason == "scripted: nothing was recognised or meant"


def test_synthetic_weights_are_refused_every_figure_of_a_conversation() -> None:
    rows = rows_of([TurnPlan()], weights="synthetic")
    for metric in METRICS:
        if metric.group in ("latency", "content"):
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


# Content


def test_silence_is_the_right_answer_where_none_is_asked() -> None:
    hold = Expectation(respond=False)
    silent = rows_of([TurnPlan(expect=hold, heard_ms=None)])
    assert silent[0, "task_success"].value == 100.0
    spoke = rows_of([TurnPlan(expect=hold)])
    assert (spoke[0, "task_success"].value, spoke[0, "task_success"].reason) == (0.0, "it spoke")
    for rows in (silent, spoke):
        row = rows[0, "voice_to_voice"]
        assert (row.value, row.reason) == (None, "no answer is expected here")


def test_a_wrong_answer_says_what_is_wrong() -> None:
    expect = Expectation(slots={"colour": ("red",), "place": ("shelf",)}, never=("table",))
    row = rows_of([TurnPlan(expect=expect)])[0, "task_success"]
    assert (row.value, row.reason) == (0.0, "lacks place, says 'table'")


def test_a_right_text_that_nobody_heard_is_a_failure() -> None:
    rows = rows_of([replace(TurnPlan(), heard_ms=None)])
    assert rows[0, "task_success"].value == 0.0


def test_an_answer_of_unknown_words_is_not_judged() -> None:
    trial, marks, pcm = trial_of([TurnPlan()])
    marks = [m if m.stage == "stt" else replace(m, text=None) for m in marks]
    rows = compute_trial(trial, marks, pcm, labels_of("x", [TurnPlan()]))
    (row,) = [r for r in rows if r.metric == "task_success"]
    assert (row.value, row.reason) == (None, "what the agent meant to say is not marked")


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
    assert by_name["turn_wait"].value == 250.0
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


def test_an_answer_that_can_not_be_traced_to_its_turn_is_not_valid() -> None:
    rows = rows_of([TurnPlan()], drop="ear.heard")
    row = rows[0, "voice_to_voice"]
    assert row.value == pytest.approx(384, abs=SAMPLE_MS)
    assert (row.valid, row.reason) == (
        False,
        "the sound can't be traced to a request of this turn",
    )
    assert rows[0, "task_success"].valid


def test_no_resampler_is_on_the_path_so_it_takes_nothing() -> None:
    row = rows_of([TurnPlan()])[0, "resample"]
    assert (row.value, row.reason) == (0.0, None)
    silent = rows_of([replace(TurnPlan(), heard_ms=None)])[0, "resample"]
    assert (silent.value, silent.reason) == (None, "no link.write on the critical path")


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
    kind: str, weights: str, valid: bool, reason: str | None
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


def test_an_error_of_the_agent_stands_beside_the_missing_answer() -> None:
    plan = replace(TurnPlan(), heard_ms=None)
    trial, marks, pcm = trial_of([plan])
    trial = replace(trial, status="error", error="the TTS died")
    rows = compute_trial(trial, marks, pcm, labels_of("x", [plan]))
    (row,) = [r for r in rows if r.metric == "voice_to_voice"]
    assert row.reason == "no answer (the TTS died)"


def test_a_trial_that_failed_before_its_first_sample_gives_rows_all_the_same() -> None:
    plan = TurnPlan()
    trial, marks, _ = trial_of([plan])
    failed = replace(trial, status="error", error="no models", rate_hz=0, t0_ns=0, audio_s=0.0)
    for some in ([], marks):
        rows = compute_trial(failed, some, None, labels_of("x", [plan]))
        assert all(row.value is None for row in rows if row.metric == "voice_to_voice")
        assert len(rows) == len(METRICS) - 3  # without cold starts


def test_without_a_recording_nothing_is_claimed_of_what_was_heard() -> None:
    trial, marks, _ = trial_of([TurnPlan()])
    rows = compute_trial(trial, marks, None, labels_of("x", [TurnPlan()]))
    by_name = {row.metric: row for row in rows}
    for name in ("voice_to_voice", "task_success"):
        assert (by_name[name].value, by_name[name].reason) == (None, "no recording")


def test_without_labels_a_trained_turn_can_not_be_believed() -> None:
    trial, marks, pcm = trial_of([TurnPlan()])
    by_name = {row.metric: row for row in compute_trial(trial, marks, pcm, None)}
    assert not by_name["voice_to_voice"].valid
    assert by_name["stt_wer"].value is None


# Cost


def test_a_cold_start_is_told_per_model_and_kept_apart() -> None:
    starts = [
        stamp("agent", event, t_ns=ms * 10**6, text=model)
        for model, at in (("stt", 100), ("llm", 150))
        for event, ms in (
            ("process_start", at),
            ("load_start", at + 10),
            ("load_end", at + 60),
            ("warm_end", at + 65),
        )
    ]
    trial, marks, pcm = trial_of([TurnPlan()])
    rows = compute_trial(trial, [*starts, *marks], pcm, labels_of("x", [TurnPlan()]))
    cold = {(r.metric, r.subject): r.value for r in rows if r.subject is not None}
    for model in ("stt", "llm"):
        assert cold["cold_start", model] == 65.0
        assert cold["cold_load", model] == 50.0
        assert cold["cold_warm", model] == 5.0


def test_what_measuring_takes_is_told() -> None:
    rows = rows_of([TurnPlan()])
    assert rows[-1, "caller_cpu_percent"].value == pytest.approx(3.0)
    assert rows[-1, "caller_rss_mb"].value == 120.0
    trial, marks, pcm = trial_of([TurnPlan()])
    unknown = replace(trial, cpu_caller_s=None, rss_caller_peak_mb=None)
    by_name = {r.metric: r for r in compute_trial(unknown, marks, pcm, None)}
    for name, of in (("caller_cpu_percent", "CPU time"), ("caller_rss_mb", "memory")):
        row = by_name[name]
        assert (row.value, row.reason) == (None, f"the caller's {of} was not read")


def test_energy_is_null_with_the_reason() -> None:
    row = rows_of([TurnPlan()])[-1, "joules"]
    assert row.value is None
    assert row.reason == "no energy counter (RAPL, NVML) is read"


def test_every_metric_has_one_name_and_gives_rows() -> None:
    names = [metric.name for metric in METRICS]
    assert len(names) == len(set(names))
    present = {name for _, name in rows_of([TurnPlan()])}
    assert set(names) - present == {"cold_start", "cold_load", "cold_warm"}
    assert all((m.on_trial is None) != (m.on_turn is None) for m in METRICS)


def test_a_null_always_has_a_reason_and_so_has_what_is_not_valid() -> None:
    for kwargs in ({}, {"weights": "synthetic"}, {"weights": "scripted"}, {"mouth_late_ms": 9.0}):
        for plan in (TurnPlan(), replace(TurnPlan(), heard_ms=None, release_ms=None)):
            for row in rows_of([plan], **kwargs).values():
                if row.value is None or not row.valid:
                    assert row.reason, row
