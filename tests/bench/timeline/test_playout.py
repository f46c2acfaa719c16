"""Underruns of the ear: only within one reply, and only where there is speech on both sides."""

from collections.abc import Sequence

import numpy as np
import pytest

from bench.metrics.compute import compute_trial
from bench.store.recording import Stereo
from bench.store.records import Trial
from bench.timeline.playout import agent_speech_ns, underruns_ns
from bench.timeline.timeline import Timeline, reconstruct
from pipelines.marks import EventName, Mark, stamp

RATE = 16_000
TRIAL = Trial("run", "p.f.0", "p", "f", 0, t0_ns=0, rate_hz=RATE, turns=1, weights="scripted")


def speaks(turn: int, on_ms: float, off_ms: float) -> list[Mark]:
    at: dict[EventName, float] = {"turn_start": on_ms, "speech_on": on_ms, "speech_off": off_ms}
    return [stamp("user", event, t_ns=round(ms * 1e6), turn=turn) for event, ms in at.items()]


def trial_of(
    chunks: Sequence[tuple[str, float, float, bool]], users: Sequence[Mark] = ()
) -> tuple[list[Mark], Stereo]:
    """Chunks as (id, heard at ms, length in ms, audible)."""
    pcm = np.zeros((RATE * 10, 2), np.int16)
    marks = list(users) or speaks(0, 500, 1000)
    for name, at_ms, length_ms, audible in chunks:
        t_ns, samples = round(at_ms * 1e6), round(length_ms * RATE / 1000)
        marks.append(stamp("link", "write", t_ns=t_ns - 1000, request_id=name, value=0.0))
        for event in ("received", "heard"):
            marks.append(stamp("ear", event, t_ns=t_ns, request_id=name, value=float(samples)))
        first = round(at_ms * RATE / 1000)
        if audible:
            pcm[first : first + samples, 1] = 4000
    return marks, pcm


def timeline_of(chunks: Sequence[tuple[str, float, float, bool]], **kwargs: object) -> Timeline:
    marks, pcm = trial_of(chunks, **kwargs)  # type: ignore[arg-type]
    return reconstruct(TRIAL, marks, pcm)


def test_chunks_that_follow_each_other_leave_no_gap() -> None:
    timeline = timeline_of([(f"g0:{i}", 1500 + 20 * i, 20, True) for i in range(50)])
    assert underruns_ns(timeline) == []
    assert agent_speech_ns(timeline) == 1_000_000_000


def test_a_late_chunk_within_a_reply_is_an_underrun_of_its_length() -> None:
    timeline = timeline_of(
        [("g0:0", 1500, 100, True), ("g0:1", 1637, 100, True), ("g0:2", 1745, 100, True)]
    )
    assert underruns_ns(timeline) == [37_000_000, 8_000_000]


def test_a_pause_that_the_synthesiser_rendered_is_no_underrun() -> None:
    timeline = timeline_of(
        [("g0:0", 1500, 100, True), ("g0:1", 1600, 400, False), ("g0:2", 2000, 100, True)]
    )
    assert underruns_ns(timeline) == []


def test_silence_before_the_first_and_after_the_last_sound_of_a_reply_is_no_underrun() -> None:
    timeline = timeline_of(
        [
            ("g0:0", 1400, 20, False),
            ("g0:1", 1500, 100, True),
            ("g0:2", 1650, 20, False),
        ]
    )
    assert underruns_ns(timeline) == []


def test_the_time_between_two_replies_is_no_underrun() -> None:
    users = speaks(0, 500, 1000) + speaks(1, 3000, 3500)
    timeline = timeline_of([("g0:0", 1500, 500, True), ("g0:1", 4000, 500, True)], users=users)
    assert underruns_ns(timeline) == []


def test_the_time_after_a_clear_is_no_underrun() -> None:
    timeline = timeline_of([("g0:0", 1500, 500, True), ("g1:0", 2300, 500, True)])
    assert underruns_ns(timeline) == []


def test_underruns_are_counted_per_minute_of_the_agents_speech() -> None:
    # 3 s of speech in two halves of one sound, for the 37 ms gap is shorter than a listener's.
    marks, pcm = trial_of([("g0:0", 1500, 1463, True), ("g0:1", 3000, 1500, True)])
    rows = {row.metric: row.value for row in compute_trial(TRIAL, marks, pcm, None)}
    assert rows["underrun_ms"] == pytest.approx(37.0, abs=0.1)
    assert rows["underruns"] == pytest.approx(20.0)


def test_an_agent_that_said_nothing_has_no_rate_of_underruns() -> None:
    marks, pcm = trial_of([])
    rows = {row.metric: row for row in compute_trial(TRIAL, marks, pcm, None)}
    for name in ("underruns", "underrun_ms"):
        assert (rows[name].value, rows[name].reason) == (None, "the agent said nothing")


def made(*audio: tuple[str, float]) -> list[Mark]:
    """The first audio of LLM requests, at ms, beside the user's turn."""
    return speaks(0, 500, 1000) + [
        stamp("tts", "first_byte", t_ns=round(ms * 1e6), request_id=f"{llm}/s") for llm, ms in audio
    ]


def test_the_time_between_two_replies_within_a_turn_is_no_underrun() -> None:
    chunks = [("g0:0", 1500, 500, True), ("g0:1", 4000, 500, True)]
    assert underruns_ns(timeline_of(chunks)) == []
    assert underruns_ns(timeline_of(chunks, users=made(("a", 1400), ("b", 3900)))) == []


def test_a_synthesiser_that_stalls_within_one_answer_makes_an_underrun() -> None:
    chunks = [("g0:0", 1500, 500, True), ("g0:1", 4000, 500, True)]
    assert underruns_ns(timeline_of(chunks, users=made(("a", 1400), ("a", 3900)))) == [
        2_000_000_000
    ]


@pytest.mark.parametrize(("gap_ms", "dry"), [(799, [799_000_000]), (800, [])])
def test_without_marks_of_requests_a_reply_ends_with_800_ms_of_silence(
    gap_ms: int, dry: list[int]
) -> None:
    timeline = timeline_of([("g0:0", 1500, 500, True), ("g0:1", 2000 + gap_ms, 500, True)])
    assert underruns_ns(timeline) == dry
