"""Fillers and answers, told apart by marks written by hand; times in ms after the trial's start."""

from dataclasses import replace

import numpy as np
import pytest

from bench.metrics.compute import compute_trial
from bench.store.records import Trial
from bench.timeline.timeline import reconstruct
from bench.timeline.utterances import (
    NOT_MARKED,
    ONLY_FILLERS,
    STILL_RUNS,
    Content,
    content,
    utterances,
)
from pipelines.marks import EventName, Mark, Stage, stamp

MS = 1_000_000
T0 = 5_000 * MS
RATE = 16_000
TRIAL = Trial("r", "p.f.0", "p", "f", 0, T0, RATE, turns=1)


def mark(stage: Stage, event: EventName, ms: int, request_id: str = "", **more) -> Mark:
    return stamp(stage, event, t_ns=T0 + ms * MS, request_id=request_id, **more)


def user() -> list[Mark]:
    """One turn, audible from 500 to 2000 ms."""
    return [
        mark("user", "turn_start", 450, turn=0),
        mark("user", "speech_on", 500, turn=0),
        mark("user", "speech_off", 2000, turn=0),
    ]


def speech(request_id: str, request: int, heard: int, n: int, text: str = "", **more) -> list[Mark]:
    """A request of the synthesiser, whose 500 ms are chunk ``n``, heard from ``heard`` on."""
    return [
        mark("tts", "request", request, request_id, text=text or None, **more),
        mark("tts", "first_byte", heard - 20, request_id),
        mark("link", "write", heard - 10, f"g0:{n}", value=n * 8000),
        mark("ear", "received", heard - 5, f"g0:{n}", value=8000),
        mark("ear", "heard", heard, f"g0:{n}", value=8000),
    ]


def found(*marks: Mark) -> Content:
    return content(reconstruct(TRIAL, [*user(), *marks], None).turns[0])


def ids(found: Content) -> tuple[str | None, list[str]]:
    answer = found.utterance.request_id if found.utterance else None
    return answer, [filler.request_id for filler in found.fillers]


def test_an_answer_without_anything_before_it_is_the_content():
    marks = [mark("llm", "request", 2300, "a"), *speech("a/1", 2400, 2500, 0)]
    assert ids(found(*marks)) == ("a/1", [])


def test_a_line_beside_the_language_model_is_a_filler_where_its_answer_follows():
    line = speech("1", 2100, 2200, 0, "let me check.")
    model = [mark("llm", "request", 2300, "a"), *speech("a/2", 3400, 3500, 1)]
    assert ids(found(*line, *model)) == ("a/2", ["1"])
    assert ids(found(*line)) == ("1", [])  # nothing followed: it is the answer


def test_a_line_after_the_answer_is_no_filler_of_it():
    model = [mark("llm", "request", 2300, "a"), *speech("a/1", 2400, 2500, 0)]
    assert ids(found(*model, *speech("2", 3000, 3100, 1, "anything else?"))) == ("a/1", [])


def test_what_is_said_before_a_functions_result_is_a_filler():
    marks = [
        mark("llm", "request", 2300, "a"),
        *speech("a/1", 2350, 2400, 0),
        mark("llm", "tool_start", 2500, "t", text="look"),
        mark("llm", "tool_end", 5500, "t", text="look"),
        mark("llm", "request", 5510, "b"),
        *speech("b/2", 5600, 5700, 1),
    ]
    assert ids(found(*marks)) == ("b/2", ["a/1"])
    without_end = [m for m in marks if m.event != "tool_end"]
    assert (ids(found(*without_end))[0], found(*without_end).missing) == (None, STILL_RUNS)
    assert found(*marks[:-5]).missing == ONLY_FILLERS


def test_a_frame_that_calls_itself_a_filler_is_one():
    marks = speech("1", 2100, 2200, 0, "hm.", value=1.0) + speech("2", 2900, 3000, 1, "it is red.")
    assert ids(found(*marks)) == ("2", ["1"])


def test_without_marks_of_a_synthesiser_nothing_can_be_told():
    assert found() == Content(None, missing=NOT_MARKED)


def test_what_was_asked_before_the_user_spoke_is_not_of_the_turn():
    marks = [*user(), *speech("g", 460, 480, 0, "hello.")]
    assert utterances(reconstruct(TRIAL, marks, None).turns[0]) == []


@pytest.mark.parametrize(("gap_ms", "replies"), [(300, 1.0), (900, 2.0)])
def test_first_sound_and_first_content_are_two_figures(gap_ms, replies):
    after = 2700 + gap_ms
    marks = [
        *user(),
        *speech("1", 2100, 2200, 0, "let me check."),
        mark("llm", "request", 2300, "a"),
        *speech("a/2", after - 100, after, 1),
    ]
    pcm = np.zeros((6 * RATE, 2), np.int16)
    for ms in (2200, after):
        pcm[ms * 16 : (ms + 500) * 16, 1] = 8000
    trial = replace(TRIAL, kind="scripted", weights="scripted")
    rows = {r.metric: r.value for r in compute_trial(trial, marks, pcm, None) if r.turn == 0}
    assert rows["voice_to_voice"] == pytest.approx(200, abs=0.1)
    assert rows["time_to_content"] == pytest.approx(after - 2000, abs=0.1)
    assert rows["answers_per_turn"] == replies
