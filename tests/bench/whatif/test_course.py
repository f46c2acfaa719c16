"""One turn on paper: what moves its answer, what does not, and what can't be said."""

from typing import Any

import pytest

from bench.metrics.reading import read_trial
from bench.simulated.turns import TurnPlan, labels_of, trial_of
from bench.whatif.change import parse_changes
from bench.whatif.course import CantSayError, course_of, played
from pipelines.clock import NS_PER_MS
from pipelines.errors import LabError
from pipelines.marks import stamp

# The plan's turn: stop 200, transcript 230, release 250, LLM 252–330, TTS 331–340, written 343,
# heard 344, and after 40 ms of silence audible at 384.
PLAN = TurnPlan()


def reading(plan=PLAN, extra=(), drop=""):
    trial, marks, pcm = trial_of([plan])
    kept = [m for m in [*marks, *extra] if f"{m.stage}.{m.event}" != drop]
    return read_trial(trial, kept, pcm, labels_of("cmd_example", [plan])).turns[0]


def answer_ms(*changes, **of):
    """Voice to voice, ms, after changes."""
    turn = reading(**of)
    outcome = played(course_of(turn), {c.stage.name: c for c in parse_changes(list(changes))})
    return round((outcome.a_on - turn.path.u_off) / NS_PER_MS, 1)


def test_without_a_change_the_chain_ends_where_the_answer_was_heard():
    turn = reading()
    course = course_of(turn)
    assert played(course, {}).a_on == turn.turn.a_on_ns
    assert answer_ms() == 384.0


@pytest.mark.parametrize(
    ("change", "ms"),
    [
        ("stt_tail=0.5x", 384 - 15),
        ("stt_tail=0ms", 384 - 30),
        ("stt_tail=+70ms", 384 + 70),
        ("vad_stop<=150ms", 384 - 50),
        ("vad_stop=0.3s", 384 + 100),
        ("endpointing_delay<=150ms", 384 - 100),
        ("endpointing_delay>=150ms", 384),
        ("release_wait=0ms", 384 - 20),
        ("gap_release_to_llm=12ms", 384 + 10),
        ("llm_ttft=2x", 384 + 28),
        ("llm_to_clause=8ms", 384 - 70),
        ("gap_llm_to_tts=0ms", 384 - 1),
        ("tts_ttfb=59ms", 384 + 50),
        ("tts_ttfa=20ms", 384 - 29),
        ("tts_ttfa=2x", 384 + 49),
        ("gap_tts_to_link=-10ms", 384 - 3),
        ("output=11ms", 384 + 10),
    ],
)
def test_a_stage_moves_the_answer_by_what_it_becomes(change, ms):
    assert answer_ms(change) == ms


def test_changes_add_up_and_a_whole_stage_is_changed_after_its_parts():
    assert answer_ms("stt_tail=0ms", "llm_to_clause=8ms") == 384 - 30 - 70
    assert answer_ms("stt_tail=0ms", "endpointing_delay=0.5x") == 384 - 30 - 110


def test_a_transcript_that_nothing_waited_for_moves_nothing():
    early = TurnPlan(stt_final_ms=180)  # before the VAD's stop
    assert answer_ms("stt_tail=0ms", plan=early) == 384
    assert answer_ms("stt_tail=60ms", plan=early) == 384 + 10  # 260: later than all else
    # The verdict, 240 ms, came last.
    judged = TurnPlan(verdict="complete")
    assert answer_ms("stt_tail=0ms", plan=judged) == 384
    assert answer_ms("end_of_turn_model=35ms", plan=judged) == 384 - 5
    assert answer_ms("end_of_turn_model=0ms", plan=judged) == 384 - 10  # now it is the transcript
    assert answer_ms("end_of_turn_model=0ms", "stt_tail=0ms", plan=judged) == 384 - 40
    assert answer_ms("end_of_turn_model=0ms") == 384  # there is none


LATER: Any = {name: 900.0 + ms for name, ms in {
    "release_ms": 0, "llm_request_ms": 2, "first_token_ms": 30, "to_tts_ms": 80,
    "tts_request_ms": 81, "first_byte_ms": 90, "write_ms": 93, "heard_ms": 94,
}.items()}  # fmt: skip
TIMER = TurnPlan(**LATER)
"""The release waited for a timer of 700 ms from the VAD's stop; heard at 1034."""


def test_a_timer_runs_on_from_the_vad_s_stop_whatever_else_becomes_faster():
    assert answer_ms("stt_tail=0ms", plan=TIMER) == 1034
    assert answer_ms("vad_stop=100ms", plan=TIMER) == 1034 - 100
    assert answer_ms("stt_tail=800ms", plan=TIMER) == 1034 + 100  # now the transcript is last
    assert answer_ms("release_wait<=20ms", plan=TIMER) == 1034 - 650


def test_a_wait_whose_start_is_not_marked_is_refused_where_it_would_matter():
    given_up = TurnPlan(**{name: ms + 2500 for name, ms in LATER.items()})
    with pytest.raises(CantSayError, match="the limit for all strategies"):
        answer_ms("stt_tail=0ms", plan=given_up)
    assert answer_ms("llm_to_clause=0ms", plan=given_up) == 3534 - 78
    # Two copies of one stop, 150 ms apart: frames waited in a queue.
    stop = PLAN.u_off_ms + 350
    copy = stamp("vad", "speech_stop", t_ns=5_000_000_000 + round(stop * NS_PER_MS), value=0.2)
    with pytest.raises(CantSayError, match="waited in the pipeline's queue"):
        answer_ms("stt_tail=0ms", plan=TIMER, extra=[copy])


# The model was asked at 150 ms on a prediction, and held: its text goes out with the release.
EAGER = TurnPlan(llm_request_ms=150, first_token_ms=180, to_tts_ms=251, tts_request_ms=252)
# It was asked only just before the release, and took longer.
LATE = TurnPlan(llm_request_ms=240)


def test_an_answer_that_was_held_is_refused_an_earlier_release_and_follows_a_later_one():
    assert answer_ms(plan=EAGER) == 384
    with pytest.raises(CantSayError, match="when its text was ready is not marked"):
        answer_ms("endpointing_delay<=200ms", plan=EAGER)
    assert answer_ms("endpointing_delay=+50ms", plan=EAGER) == 384 + 50
    assert answer_ms("llm_to_clause=0.5x", plan=EAGER) == 384  # it is held all the same
    with pytest.raises(CantSayError, match="how much slower"):
        answer_ms("llm_to_clause=2x", plan=EAGER)


def test_a_model_that_was_asked_early_and_not_ready_is_waited_for():
    assert answer_ms("endpointing_delay<=200ms", plan=LATE) == 384
    assert answer_ms("llm_to_clause=50ms", plan=LATE) == 384 - 40
    assert answer_ms("llm_to_clause=5ms", plan=LATE) == 384 - 80  # at the release, not before


@pytest.mark.parametrize(
    ("drop", "change", "why"),
    [
        ("vad.speech_stop", "stt_tail=0ms", "no vad.speech_stop"),
        ("stt.final", "stt_tail=0ms", "no stt.final"),
        ("llm.first_token", "llm_ttft=0ms", "no llm.first_token"),
        ("llm.to_tts", "gap_llm_to_tts=0ms", "no llm.to_tts"),
        ("turn.release", "output=0ms", "no turn.release on the critical path"),
    ],
)
def test_a_stage_that_is_not_marked_is_refused_and_not_guessed(drop, change, why):
    with pytest.raises(CantSayError, match=why):
        answer_ms(change, drop=drop)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("stt_tail", "can't be understood; write STAGE=0.5x"),
        ("stt_tail=", "can't be understood"),
        ("stt_tail=fast", "can't be understood"),
        ("stt_tail=5", "can't be understood"),
        ("stt_tial=5ms", "no stage 'stt_tial'; did you mean 'stt_tail'.; there are vad_stop, stt_"),
        ("stt_tail<=0.5x", "a factor stands after a bare '='"),
        ("stt_tail=+2x", "a factor stands after a bare '='"),
        ("stt_tail<=+30ms", "a limit has no sign"),
        ("stt_tail=601s", "600s is the most"),
        ("stt_tail=1001x", "1000x is the most"),
    ],
)
def test_a_change_that_is_none_gets_a_sentence(change, why):
    with pytest.raises(LabError, match=why):
        parse_changes([change])


def test_a_stage_is_set_once():
    with pytest.raises(LabError, match="stt_tail is set twice"):
        parse_changes(["stt_tail=0.5x", "stt_tail<=10ms"])


def test_a_shift_makes_no_stage_negative():
    (change,) = parse_changes(["output=-50ms"])
    assert [change.of(ms * NS_PER_MS) // NS_PER_MS for ms in (80, 20, 0, -3)] == [30, 0, 0, -3]
