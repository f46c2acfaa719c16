"""Which turn a mark and an onset belong to, on events written by hand."""

from collections.abc import Sequence

import numpy as np
import pytest

from bench.recording import Stereo
from bench.records import Trial
from bench.timeline import NO_ANSWER, STILL_SPEAKING, reconstruct
from pipelines.marks import Mark, stamp

RATE = 16_000
T0 = 10**9


def at(ms: float) -> int:
    return T0 + round(ms * 1e6)


def trial(turns: int = 1) -> Trial:
    return Trial("run", "p.f.0", "p", "f", 0, t0_ns=T0, rate_hz=RATE, turns=turns)


def speaks(turn: int, on_ms: float, off_ms: float) -> list[Mark]:
    return [
        stamp("user", "turn_start", t_ns=at(on_ms - 50), turn=turn),
        stamp("user", "speech_on", t_ns=at(on_ms), turn=turn),
        stamp("user", "speech_off", t_ns=at(off_ms), turn=turn),
    ]


def heard(*sounds: tuple[float, float], total_ms: float = 12_000) -> Stereo:
    """A recording in which the agent sounds from … to … ms."""
    pcm = np.zeros((round(total_ms * RATE / 1000), 2), np.int16)
    for start, end in sounds:
        pcm[round(start * RATE / 1000) : round(end * RATE / 1000), 1] = 5000
    return pcm


def onset_ms(marks: Sequence[Mark], pcm: Stereo, turn: int = 0, turns: int = 1) -> float | None:
    found = reconstruct(trial(turns), marks, pcm).turn(turn)
    assert found is not None
    return None if found.a_on_ns is None else (found.a_on_ns - T0) / 1e6


def test_the_first_sound_after_the_user_is_the_onset() -> None:
    assert onset_ms(speaks(0, 500, 2000), heard((2500, 3000), (4000, 5000))) == 2500


def test_a_greeting_before_the_user_speaks_is_no_answer() -> None:
    timeline = reconstruct(trial(), speaks(0, 2000, 3000), heard((100, 900)))
    assert timeline.turns[0].a_on_ns is None
    assert timeline.turns[0].silence == NO_ANSWER


def test_a_new_sound_while_the_user_speaks_is_an_early_onset() -> None:
    assert onset_ms(speaks(0, 500, 2000), heard((1500, 3000))) == 1500


def test_a_reply_that_goes_on_over_the_user_is_not_an_answer_to_the_user() -> None:
    marks = speaks(0, 500, 2000) + speaks(1, 3000, 6000)
    # The first reply pauses for 400 ms and goes on until 5 s; the second one begins at 6.7 s.
    pcm = heard((2500, 3300), (3700, 5000), (6700, 7500))
    assert onset_ms(marks, pcm, turn=0, turns=2) == 2500
    assert onset_ms(marks, pcm, turn=1, turns=2) == 6700


def test_a_reply_that_never_yields_leaves_the_turn_without_an_answer() -> None:
    marks = speaks(0, 500, 2000) + speaks(1, 3000, 6000)
    timeline = reconstruct(trial(2), marks, heard((2500, 9000)))
    assert timeline.turns[1].a_on_ns is None
    assert timeline.turns[1].silence == STILL_SPEAKING


def test_a_sound_soon_after_a_clear_is_a_new_reply_even_while_the_user_speaks() -> None:
    marks = speaks(0, 500, 2000) + speaks(1, 3000, 6000)
    pcm = heard((2500, 3400), (3800, 5000))
    assert onset_ms(marks, pcm, turn=1, turns=2) is None
    cleared = [*marks, stamp("ear", "cleared", t_ns=at(3400), request_id="g0:9", value=100.0)]
    assert onset_ms(cleared, pcm, turn=1, turns=2) == 3800


def test_a_sound_after_a_long_silence_is_a_new_reply_even_while_the_user_speaks() -> None:
    marks = speaks(0, 500, 2000) + speaks(1, 3000, 6000)
    assert onset_ms(marks, heard((2500, 3400), (4199, 5000)), turn=1, turns=2) is None
    assert onset_ms(marks, heard((2500, 3400), (4200, 5000)), turn=1, turns=2) == 4200


def test_a_pause_inside_the_turn_after_which_the_agent_speaks_again_counts_once() -> None:
    assert onset_ms(speaks(0, 500, 4000), heard((1800, 2300), (4600, 6000))) == 1800


def test_the_end_of_the_agent_is_its_last_sound_before_the_next_turn() -> None:
    marks = speaks(0, 500, 2000) + speaks(1, 6000, 7000)
    timeline = reconstruct(trial(2), marks, heard((2500, 3000), (3500, 4000), (7500, 8000)))
    ends = [turn.a_off_ns for turn in timeline.turns]
    assert ends == [at(4000), at(8000)]


def test_a_request_that_outlives_its_turn_stays_with_it() -> None:
    marks = speaks(0, 500, 2000) + speaks(1, 3000, 4000)
    work = [
        stamp("llm", "request", t_ns=at(2200), request_id="a"),
        stamp("llm", "cancelled", t_ns=at(3400), request_id="a"),
        stamp("llm", "request", t_ns=at(4200), request_id="b"),
        stamp("agent", "answer_text", t_ns=at(3401), request_id="a", text="of the first turn"),
        stamp("vad", "speech_start", t_ns=at(3300)),
    ]
    turns = reconstruct(trial(2), work + marks, heard()).turns
    assert [m.event for m in turns[0].marks if m.stage == "llm"] == ["request", "cancelled"]
    assert [m.event for m in turns[1].marks if m.stage == "llm"] == ["request"]
    assert turns[0].answer == "of the first turn"
    assert len(turns[1].all("vad", "speech_start")) == 1


def test_a_turn_that_is_stamped_wins_over_its_time() -> None:
    marks = speaks(0, 500, 2000) + speaks(1, 3000, 4000)
    late = stamp("stt", "final", t_ns=at(3500), turn=0, request_id="u", text="late words")
    turns = reconstruct(trial(2), [*marks, late], heard()).turns
    assert (turns[0].transcript, turns[1].transcript) == ("late words", "")


def test_the_same_request_id_of_two_stages_is_two_requests() -> None:
    marks = speaks(0, 500, 2000) + speaks(1, 3000, 4000)
    work = [
        stamp("stt", "final", t_ns=at(2100), request_id="1", text="words"),
        stamp("llm", "request", t_ns=at(4100), request_id="1"),
    ]
    turns = reconstruct(trial(2), [*marks, *work], heard()).turns
    assert turns[1].all("llm", "request")
    assert turns[0].transcript == "words"


def test_a_transcript_is_the_last_word_on_each_utterance_in_order() -> None:
    work = [
        stamp("stt", "final", t_ns=at(1200), request_id="u1", text="put the"),
        stamp("stt", "final", t_ns=at(1300), request_id="u1", text="put the block"),
        stamp("stt", "final", t_ns=at(2100), request_id="u2", text=" down "),
        stamp("stt", "final", t_ns=at(2200), request_id="u3", text=None),
    ]
    turn = reconstruct(trial(), speaks(0, 500, 2000) + work, heard()).turns[0]
    assert turn.transcript == "put the block down"


def test_an_answer_is_what_was_meant_else_written_else_handed_to_be_spoken() -> None:
    work = [
        stamp("tts", "request", t_ns=at(2300), request_id="l/s1", text="So,"),
        stamp("tts", "request", t_ns=at(2400), request_id="l/s2", text="I go. "),
        stamp("llm", "end", t_ns=at(2500), request_id="l", text="So, I go!"),
        stamp("agent", "answer_text", t_ns=at(2500), request_id="l", text="so I go"),
    ]
    answers = []
    for n in (4, 3, 2, 0):
        turn = reconstruct(trial(), speaks(0, 500, 2000) + work[:n], heard()).turns[0]
        answers.append(turn.answer)
    assert answers == ["so I go", "So, I go!", "So, I go.", None]


def test_what_a_cancelled_request_meant_is_not_part_of_the_answer() -> None:
    first = [
        stamp("llm", "request", t_ns=at(1200), request_id="a"),
        stamp("agent", "answer_text", t_ns=at(1300), request_id="a", text="the blue one"),
        stamp("llm", "cancelled", t_ns=at(1400), request_id="a"),
    ]
    second = [
        stamp("llm", "request", t_ns=at(2200), request_id="b"),
        stamp("agent", "answer_text", t_ns=at(2300), request_id="b", text="the red one"),
    ]
    user = speaks(0, 500, 2000)
    assert reconstruct(trial(), user + first + second, heard()).turns[0].answer == "the red one"
    assert reconstruct(trial(), user + first, heard()).turns[0].answer == "the blue one"


def test_marks_before_the_first_turn_belong_to_none() -> None:
    early = stamp("agent", "pipeline_ready", t_ns=at(-100))
    timeline = reconstruct(trial(), [*speaks(0, 500, 2000), early], heard())
    assert early in timeline.marks
    assert early not in timeline.turns[0].marks


def test_a_chunk_that_was_cleared_was_not_heard() -> None:
    def chunk(name: str, count: float) -> list[Mark]:
        return [
            stamp("link", "write", t_ns=at(2500), request_id=name, value=0.0),
            stamp("ear", "received", t_ns=at(2501), request_id=name, value=320.0),
            stamp("ear", "heard", t_ns=at(2502), request_id=name, value=count),
        ]

    lost = [stamp("link", "write", t_ns=at(2600), request_id="g0:3", value=640.0)]
    marks = [*speaks(0, 500, 2000), *chunk("g0:1", 100), *chunk("g0:2", 0), *lost]
    chunks = reconstruct(trial(), marks, heard()).chunks
    assert [(c.chunk_id, c.heard_samples, c.heard_ns) for c in chunks] == [
        ("g0:1", 100, at(2502)),
        ("g0:2", 0, None),
    ]
    assert [c.generation for c in chunks] == ["g0", "g0"]


@pytest.mark.parametrize("pcm", [None, np.zeros((0, 2), np.int16)])
def test_a_trial_without_sound_has_no_onset(pcm: Stereo | None) -> None:
    turn = reconstruct(trial(), speaks(0, 500, 2000), pcm).turns[0]
    assert turn.a_on_ns is None
    assert turn.silence is not None


def test_a_trial_without_marks_has_no_turns() -> None:
    timeline = reconstruct(trial(), [], None)
    assert (timeline.turns, timeline.chunks, timeline.sounds) == ((), (), ())
