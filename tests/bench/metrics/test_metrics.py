"""Every metric on trials whose times are written by hand: exact answers, and honest nulls."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.metrics.compute import compute_trial
from bench.metrics.frames import ROWS as FRAME_ROWS
from bench.metrics.full_duplex_bench import ROWS as BENCH_ROWS
from bench.metrics.table import METRICS
from bench.simulated.turns import RATE_HZ, TurnPlan, after_u_off, labels_of, rows_of, trial_of
from bench.store.expectation import Expectation
from bench.timeline.critical_path import PIECES
from pipelines.marks import EventName, stamp

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
"""The course's figures: endpointing delay and STT 150, LLM 300, TTS 150 ms; hand-overs are free."""


def test_a_scripted_cascade_of_600_ms_reads_600_ms_within_one_sample() -> None:
    rows = rows_of([SCRIPTED], weights="scripted")
    assert rows[0, "voice_to_voice"].value == pytest.approx(600, abs=SAMPLE_MS)
    exact = {
        "endpointing_delay": 150.0,
        "llm_to_clause": 300.0,
        "llm_ttft": 300.0,
        "tts_ttfb": 150.0,
    }
    assert {name: rows[0, name].value for name in exact} == exact
    assert rows[0, "tts_ttfa"].value == pytest.approx(150, abs=SAMPLE_MS)
    assert rows[0, "residual"].value == 0.0
    assert all(rows[0, name].valid for name in (*exact, "voice_to_voice"))


def test_each_stage_of_a_cascade_is_read_to_the_nanosecond() -> None:
    rows = rows_of([TurnPlan()])
    expected = {
        "endpointing_delay": 250.0,
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
    assert rows[0, "endpointing_delay"].value == -470.0
    assert rows[0, "stt_tail"].value == 20.0


def test_a_final_transcript_before_the_vad_stop_has_a_tail_of_zero() -> None:
    rows = rows_of([TurnPlan(stt_final_ms=150, vad_stop_ms=200)])
    assert rows[0, "stt_tail"].value == 0.0
    assert rows[0, "stt_final"].value == 150.0


def test_marks_without_a_turn_are_given_to_the_turn_in_which_they_happened() -> None:
    second = TurnPlan(
        u_on_ms=4500, u_off_ms=6000, release_ms=300, llm_request_ms=310, first_token_ms=320
    )
    rows = rows_of([TurnPlan(), second])
    assert rows[0, "endpointing_delay"].value == 250.0
    assert rows[1, "endpointing_delay"].value == 300.0
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
    assert rows[0, "endpointing_delay"].value == 250.0
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
        ("turn.release", "endpointing_delay", "no turn.release mark"),
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


def test_an_answer_of_unknown_words_is_not_judged() -> None:
    trial, marks, pcm = trial_of([TurnPlan()])
    marks = [m if m.stage == "stt" else replace(m, text=None) for m in marks]
    rows = compute_trial(trial, marks, pcm, labels_of("x", [TurnPlan()]))
    (row,) = [r for r in rows if r.metric == "task_success"]
    assert (row.value, row.reason) == (None, "what the agent meant to say is not marked")


def test_a_model_that_makes_no_transcript_has_no_word_errors_and_a_deaf_recogniser_all() -> None:
    deaf = TurnPlan(transcript=None)
    trial, marks, pcm = trial_of([deaf])
    unmarked = [m for m in marks if (m.stage, m.event) != ("stt", "final")]
    found = {}
    for kind in ("duplex", "speech", "cascade"):
        rows = compute_trial(replace(trial, kind=kind), unmarked, pcm, labels_of("x", [deaf]))
        (row,) = [r for r in rows if r.metric == "stt_wer"]
        found[kind] = (row.value, row.reason)
    none = (None, "the model makes no transcript")
    assert found == {"duplex": none, "speech": none, "cascade": (100.0, None)}


def test_no_resampler_is_on_the_path_so_it_takes_nothing() -> None:
    row = rows_of([TurnPlan()])[0, "resample"]
    assert (row.value, row.reason) == (0.0, None)
    silent = rows_of([replace(TurnPlan(), heard_ms=None)])[0, "resample"]
    assert (silent.value, silent.reason) == (None, "no link.write on the critical path")


# Cost


def test_a_cold_start_is_told_per_model_and_kept_apart() -> None:
    after: dict[EventName, int] = {
        "process_start": 0, "load_start": 10, "load_end": 60, "warm_end": 65
    }  # fmt: skip
    starts = [
        stamp("agent", event, t_ns=(at + ms) * 10**6, text=model)
        for model, at in (("stt", 100), ("llm", 150))
        for event, ms in after.items()
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


def test_what_an_agent_elsewhere_reports_is_counted_where_its_line_has_such_reports() -> None:
    trial, marks, pcm = trial_of([TurnPlan()])
    said: tuple[tuple[EventName, str | None], ...] = (
        ("dialled", "stream"), ("tool_call", "look_up"), ("tool_call", "do_physical_task"),
        ("memory", "the user likes tea"), ("clear", None),
    )  # fmt: skip
    told = [stamp("line", event, t_ns=marks[0].t_ns, text=text) for event, text in said]
    rows = {r.metric: r.value for r in compute_trial(trial, [*told, *marks], pcm, None)}
    names = ("tool_calls", "memories", "interruptions", "fallbacks")
    assert [rows[name] for name in names] == [2.0, 1.0, 1.0, 0.0]
    silent = [stamp("line", "dialled", t_ns=marks[0].t_ns, text="twilio")]
    rows = {r.metric: r.value for r in compute_trial(trial, [*silent, *marks], pcm, None)}
    assert not rows.keys() & set(names)


def test_energy_is_null_with_the_reason() -> None:
    row = rows_of([TurnPlan()])[-1, "joules"]
    assert row.value is None
    assert row.reason == "no energy counter (RAPL, NVML) is read"


def test_every_metric_has_one_name_and_gives_rows() -> None:
    names = [metric.name for metric in METRICS]
    assert len(names) == len(set(names))
    present = {name for _, name in rows_of([TurnPlan()])}
    only_duplex = {metric.name for metric in FRAME_ROWS}
    only_guests = {"pipecat_ttfb", "pipecat_processing"}
    only_cold = {"cold_start", "cold_load", "cold_warm"}
    only_samples = {metric.name for metric in BENCH_ROWS}
    only_noisy = {"ambience"}  # of a channel that is never silent
    only_dialled = {"connect_ms", "handshake_ms"}
    only_dialled |= {"interruptions", "tool_calls", "memories", "fallbacks"}
    only_over_a_network = {"network_lost_packets", "network_stalls"}
    only_eager = {"predictions", "withdrawn", "wasted_tokens", "wasted_ms"}
    rare = only_eager | only_cold | only_guests | only_dialled | only_over_a_network | only_noisy
    assert set(names) - present == rare | only_duplex | only_samples
    assert all((m.on_trial is None) != (m.on_turn is None) for m in METRICS)


def test_a_null_always_has_a_reason_and_so_has_what_is_not_valid() -> None:
    for kwargs in ({}, {"weights": "synthetic"}, {"weights": "scripted"}, {"mouth_late_ms": 9.0}):
        for plan in (TurnPlan(), replace(TurnPlan(), heard_ms=None, release_ms=None)):
            for row in rows_of([plan], **kwargs).values():
                if row.value is None or not row.valid:
                    assert row.reason, row
