"""Which turn a mark and an onset belong to, on events written by hand."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from bench.metrics.compute import compute_trial
from bench.store.recording import Stereo
from bench.store.records import Trial
from bench.timeline.answers import CONTRADICTED, UNTRACED
from bench.timeline.replies import ending
from bench.timeline.timeline import CUT_SHORT, NO_ANSWER, STILL_SPEAKING, TOO_EARLY, reconstruct
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
    assert turns[0].answer_of("a") == "of the first turn"
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
        answers.append(turn.answer_of("l"))
    assert answers == ["so I go", "So, I go!", "So, I go.", None]


def test_an_answer_is_the_text_of_the_request_that_led_to_it() -> None:
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
    turn = reconstruct(trial(), user + first + second, heard()).turns[0]
    assert (turn.answer_of("a"), turn.answer_of("b")) == ("the blue one", "the red one")
    assert turn.answer_of("c") is None
    assert turn.answer_of("") == "the blue one the red one"  # an agent without such requests


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


# Too early, and of whom


def says(
    name: str, asked_ms: float, made_ms: float, *chunks: tuple[str, float, float]
) -> list[Mark]:
    """An LLM request, its speech, and chunks of it as (id, from, to) in ms, written as heard."""
    marks = [
        stamp("llm", "request", t_ns=at(asked_ms), request_id=name),
        stamp("tts", "request", t_ns=at(made_ms - 5), request_id=f"{name}/s"),
        stamp("tts", "first_byte", t_ns=at(made_ms), request_id=f"{name}/s"),
    ]
    for chunk, start, end in chunks:
        samples = round((end - start) * RATE / 1000)
        marks += [
            stamp("link", "write", t_ns=at(start - 1), request_id=chunk, value=0.0),
            stamp("ear", "received", t_ns=at(start), request_id=chunk, value=float(samples)),
            stamp("ear", "heard", t_ns=at(start), request_id=chunk, value=float(samples)),
        ]
    return marks


def clear(ms: float) -> Mark:
    return stamp("link", "clear", t_ns=at(ms), value=1.0)


def test_a_sound_that_is_cut_before_the_user_ends_is_a_premature_start_and_no_onset() -> None:
    marks = [*speaks(0, 500, 2000), clear(1200)]
    turn = reconstruct(trial(), marks, heard((1150, 1200), (2800, 3500))).turns[0]
    assert (turn.a_on_ns, turn.premature_starts, turn.silence) == (at(2800), 1, None)


def test_a_reply_may_be_silent_for_a_moment_when_it_is_cut() -> None:
    # As measured: it sounded from 200 ms to 965 ms, and was cut in its pause, 48 ms later.
    marks = [*speaks(0, 100, 2000), clear(1013)]
    turn = reconstruct(trial(), marks, heard((200, 500), (765, 965), (2265, 4000))).turns[0]
    assert (turn.a_on_ns, turn.premature_starts) == (at(2265), 1)


def test_each_reply_that_was_cut_is_one_premature_start() -> None:
    marks = [*speaks(0, 500, 6000), clear(1200), clear(3200)]
    pcm = heard((1100, 1200), (2500, 2700), (3000, 3200), (6500, 7000))
    turn = reconstruct(trial(), marks, pcm).turns[0]
    assert (turn.a_on_ns, turn.premature_starts) == (at(6500), 2)


def test_an_early_reply_that_goes_on_or_ends_by_itself_is_an_onset_before_the_users_end() -> None:
    user = speaks(0, 500, 4000)
    for marks, pcm in (
        (user, heard((1150, 1200), (4800, 5500))),  # ended by itself
        ([*user, clear(4010)], heard((1150, 4010), (4800, 5500))),  # cut only after the user's end
        ([*user, clear(3000)], heard((1150, 2200), (4800, 5500))),  # 800 ms after its end
    ):
        turn = reconstruct(trial(), marks, pcm).turns[0]
        assert (turn.a_on_ns, turn.premature_starts) == (at(1150), 0)


def test_an_answer_that_was_cut_and_followed_by_none_is_no_answer() -> None:
    turn = reconstruct(trial(), [*speaks(0, 500, 2000), clear(1200)], heard((1150, 1200))).turns[0]
    assert (turn.a_on_ns, turn.silence, turn.premature_starts) == (None, CUT_SHORT, 1)


def test_the_next_sentence_of_an_old_reply_is_not_the_answer_to_a_new_turn() -> None:
    user = speaks(0, 500, 2000) + speaks(1, 3000, 6000)
    old = says("a", 2200, 2400, ("g0:0", 2500, 5900), ("g0:1", 6150, 6800))
    new = says("b", 6500, 6900, ("g0:2", 7200, 8000))
    pcm = heard((2500, 5900), (6150, 6800), (7200, 8000))
    assert onset_ms(user + old, pcm[: RATE * 7], turn=1, turns=2) is None
    assert onset_ms(user + old + new, pcm, turn=1, turns=2) == 7200
    assert onset_ms(user + old + new, pcm, turn=0, turns=2) == 2500


def test_a_second_sentence_that_is_handed_over_in_the_next_turn_stays_with_its_answer() -> None:
    user = speaks(0, 500, 2000) + speaks(1, 3000, 6000)
    old = says("a", 2200, 2400, ("g0:0", 2500, 5900))
    more = [
        stamp("tts", "request", t_ns=at(4000), request_id="a/s2"),
        stamp("tts", "first_byte", t_ns=at(4010), request_id="a/s2"),
    ]
    next_ = says("a", 2200, 2400, ("g0:1", 6150, 6800))[3:]
    timeline = reconstruct(trial(2), user + old + more + next_, heard((2500, 5900), (6150, 6800)))
    assert [turn.a_on_ns for turn in timeline.turns] == [at(2500), None]
    assert timeline.turns[1].silence == STILL_SPEAKING


def test_a_request_between_the_turns_audio_and_its_first_sound_is_of_the_turn_before() -> None:
    user = speaks(0, 500, 2000) + speaks(1, 3000, 6000)  # turn 1's audio begins at 2950
    late = says("a", 2999, 6100, ("g0:0", 6150, 6800))
    turn = reconstruct(trial(2), user + late, heard((6150, 6800))).turns[1]
    # Heard after the user and after silence, it is an answer; the tag makes it a doubtful one.
    assert (turn.a_on_ns, turn.doubt) == (at(6150), CONTRADICTED)
    own = says("a", 3001, 6100, ("g0:0", 6150, 6800))
    turn = reconstruct(trial(2), user + own, heard((6150, 6800))).turns[1]
    assert (turn.a_on_ns, turn.doubt) == (at(6150), None)


def test_a_sound_without_silence_before_it_is_the_earlier_reply_where_its_tag_says_so() -> None:
    user = speaks(0, 500, 2000) + speaks(1, 3000, 6000)
    late = says("a", 2999, 5200, ("g0:0", 5250, 5800), ("g0:1", 6150, 6800))
    timeline = reconstruct(trial(2), user + late, heard((5250, 5800), (6150, 6800)))
    assert (timeline.turns[1].a_on_ns, timeline.turns[1].silence) == (None, STILL_SPEAKING)


def test_a_sound_that_ended_before_the_user_had_is_no_earlier_reply_that_goes_on() -> None:
    user = speaks(0, 500, 2000) + speaks(1, 3000, 6000)
    late = says("a", 2999, 4200, ("g0:0", 4250, 4800))
    timeline = reconstruct(trial(2), user + late, heard((4250, 4800)))
    assert (timeline.turns[1].a_on_ns, timeline.turns[1].silence) == (None, TOO_EARLY)


def test_a_sound_whose_chunk_is_not_marked_is_in_doubt() -> None:
    marks = speaks(0, 500, 2000) + says("a", 2200, 2400)
    turn = reconstruct(trial(), marks, heard((2500, 3000))).turns[0]
    assert (turn.a_on_ns, turn.doubt) == (at(2500), UNTRACED)


def test_without_marks_of_a_synthesiser_the_first_sound_is_taken() -> None:
    turn = reconstruct(trial(), speaks(0, 500, 2000), heard((2500, 3000))).turns[0]
    assert (turn.a_on_ns, turn.doubt) == (at(2500), None)


# A channel that is never silent


def humming(pcm: Stereo, level: float = -40) -> Stereo:
    """The recording, with a hum of 50 Hz under the agent's silence."""
    wave = np.sin(2 * np.pi * 50 * np.arange(len(pcm)) / RATE)
    hum = np.rint(32768 * np.sqrt(2) * 10 ** (level / 20) * wave).astype(np.int16)
    pcm[:, 1] = np.where(pcm[:, 1] == 0, hum, pcm[:, 1])
    return pcm


def v2v(marks: Sequence[Mark], pcm: Stereo) -> tuple[float | None, bool, str | None]:
    rows = compute_trial(replace(trial(), weights="scripted"), marks, pcm, None)
    row = next(r for r in rows if r.metric == "voice_to_voice")
    return row.value, row.valid, row.reason


def test_an_answer_above_ambience_is_found_and_its_row_names_the_threshold() -> None:
    pcm = humming(heard((100, 900), (2500, 3000)))
    told = "heard above −30 dBFS: the agent's ambience is −40 dBFS"
    assert v2v(speaks(0, 1200, 2000), pcm) == (500.0, True, told)
    assert v2v(speaks(0, 1200, 2000), heard((100, 900), (2500, 3000))) == (500.0, True, None)


def test_a_turn_without_an_answer_above_ambience_says_what_could_not_be_heard() -> None:
    assert v2v(speaks(0, 1200, 2000), humming(heard())) == (
        None,
        True,
        "no answer that rises above the agent's ambience of −40 dBFS: what is softer than −30 dBFS "
        "can't be told from it",
    )


def test_a_sound_that_never_ends_says_how_loud_it_is() -> None:
    """A hum as loud as speech."""
    assert v2v(speaks(0, 1200, 2000), humming(heard(), -20)) == (
        None,
        True,
        f"{STILL_SPEAKING}, which did not pause for 12 s (−20 dBFS at its quietest): if that is "
        "ambience, it can't be told from speech",
    )


def test_a_user_who_did_not_wait_for_the_end_of_a_greeting_is_told_in_the_row() -> None:
    over = stamp("user", "spoke_over", t_ns=at(400), turn=0, value=34.2, text="−20 dBFS")
    told = (
        "the agent had not fallen silent 34 s after the start (−20 dBFS at its quietest), and the "
        "user spoke all the same"
    )
    marks = [*speaks(0, 500, 2000), over]
    assert v2v(marks, heard((2500, 3000))) == (500.0, True, told)
    assert v2v(marks, heard()) == (None, True, f"{NO_ANSWER}; {told}")


@pytest.mark.parametrize(("level", "cleared_ms", "stopped"), [
    (-40, 3350, False),  # ambience alone was cleared
    (-40, 3150, True),
    (None, 3350, True),
])  # fmt: skip
def test_a_clear_after_a_replys_end_stops_nothing_where_there_is_ambience(
    level: int | None, cleared_ms: int, stopped: bool
) -> None:
    marks = speaks(0, 500, 1500) + speaks(1, 2900, 3300)
    marks.append(stamp("ear", "cleared", t_ns=at(cleared_ms), request_id="g0:9", value=100.0))
    pcm = heard((2000, 3100))
    timeline = reconstruct(trial(2), marks, pcm if level is None else humming(pcm, level))
    (reply,) = timeline.replies
    assert ending(timeline, reply, at(2900)).stopped is stopped
