"""Fillers and answers, told apart by marks written by hand; times in ms after the trial's start.

The turn's u_off is at 2000 ms.
"""

from dataclasses import replace

import numpy as np
import pytest

from bench.metrics.compute import compute_trial
from bench.metrics.stages import IN_CLAUSE, NO_FILLER, NO_FUNCTION, NO_LLM
from bench.store.labels import FixtureLabels
from bench.store.records import Trial
from bench.timeline.content.path import PARTS
from bench.timeline.timeline import reconstruct
from bench.timeline.utterances import (
    IN_ONE,
    NO_TIMES,
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


def found(*marks: Mark, fillers: tuple[str, ...] = ()) -> Content:
    timeline = reconstruct(TRIAL, [*user(), *marks], None)
    return content(timeline, timeline.turns[0], fillers)


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


# The stages of a turn with a filler: its own, and those of the answer


def stages(*marks: Mark, sounds: tuple[tuple[int, int], ...]) -> dict[str, float | str | None]:
    """Metric → value, or the reason why there is none; the agent sounds from … to … ms."""
    pcm = np.zeros((8 * RATE, 2), np.int16)
    for start, end in sounds:
        pcm[start * 16 : end * 16, 1] = 8000
    trial = replace(TRIAL, kind="scripted", weights="scripted")
    rows = compute_trial(trial, [*user(), *marks], pcm, None)
    return {r.metric: r.reason if r.value is None else r.value for r in rows if r.turn == 0}


def some(found: dict, *names: str) -> list[float | str | None]:
    return [found[name] for name in names]


FIRST = (
    "endpointing_delay", "gap_release_to_llm", "llm_to_clause", "gap_llm_to_tts", "tts_ttfa",
    "gap_tts_to_link", "output", "residual",
)  # fmt: skip
CONTENT = (*(part.name for part in PARTS if part.name), "content_residual")
TURN = (mark("vad", "speech_stop", 2200, value=0.2), mark("turn", "release", 2500))


def test_a_filler_before_the_turns_release_and_its_answer_have_stages_of_their_own() -> None:
    found = stages(
        *TURN,
        *speech("1", 2210, 2300, 0, "let me check."),  # first byte at 2280, written at 2290
        mark("llm", "request", 2503, "a"),
        mark("llm", "first_token", 2900, "a"),
        mark("llm", "to_tts", 3000, "a"),
        *speech("a/2", 3004, 3100, 1),
        sounds=((2310, 2800), (3115, 3600)),
    )
    # Until the filler was asked for; then its synthesis and 10 ms of its silence.
    assert some(found, *FIRST) == [210, 0, NO_LLM, NO_LLM, 80, 10, 10, 10]
    assert found["voice_to_voice"] == 310
    assert found["llm_ttft"] == NO_LLM
    # The answer: release, 3 ms, the model until its clause, 4 ms, synthesis and 15 ms of silence,
    # no function, not queued, 10 ms to the link.
    assert some(found, *CONTENT) == [500, NO_FUNCTION, 497, 91, 0, 10, 17]
    assert found["content_llm_ttft"] == 397
    assert found["time_to_content"] == 1115 == 500 + 497 + 91 + 10 + 17


def test_an_answer_that_waits_for_the_fillers_end_says_how_long() -> None:
    """The filler lasts 500 ms; the answer's audio is there while it is played."""
    filler = [
        *speech("1", 2210, 2300, 0, "let me check."),
        mark("tts", "end", 2285, "1", value=8000),
    ]
    answer = [
        mark("llm", "request", 2500, "a"),
        mark("tts", "request", 2600, "a/2"),
        mark("tts", "first_byte", 2640, "a/2"),
        *speech("x", 0, 2800, 1)[2:],  # the second chunk: written at 2790, heard at 2800
    ]
    found = stages(*TURN, *filler, *answer, sounds=((2300, 3300),))
    assert (found["voice_to_voice"], found["time_to_content"]) == (300, 800)
    assert some(found, *CONTENT) == [500, NO_FUNCTION, 100, 40, 150, 10, 0]


def test_an_answer_that_begins_within_a_chunk_of_the_fillers_begins_there() -> None:
    """Four chunks of 150 ms, of which the filler fills 500 ms."""
    marks = [
        *TURN,
        mark("tts", "request", 2210, "1", text="let me check."),
        mark("tts", "first_byte", 2280, "1"),
        mark("tts", "end", 2285, "1", value=8000),
        mark("llm", "request", 2500, "a"),
        mark("tts", "request", 2550, "a/2"),
        mark("tts", "first_byte", 2560, "a/2"),
    ]
    for k in range(6):
        chunk, heard = f"g0:{k}", 2300 + 150 * k
        marks += [
            mark("link", "write", heard - 10, chunk, value=2400 * k),
            mark("ear", "received", heard - 5, chunk, value=2400),
            mark("ear", "heard", heard, chunk, value=2400),
        ]
    found = stages(*marks, sounds=((2300, 3200),))
    # The chunk was written at 2740; its first 50 ms are still the filler's.
    assert (found["voice_to_voice"], found["time_to_content"]) == (300, 800)
    assert some(found, *CONTENT) == [500, NO_FUNCTION, 50, 10, 180, 60, 0]
    # A voice at another rate: its 8000 samples last 250 ms.
    faster = stages(*marks, mark("tts", "rate", 2281, value=32_000), sounds=((2300, 3200),))
    assert faster["time_to_content"] == 600


def test_the_answer_after_a_function_shows_what_the_function_took() -> None:
    found = stages(
        *TURN,
        mark("llm", "request", 2501, "a"),
        mark("llm", "tool_start", 2800, "t", text="look"),
        *speech("1", 2805, 2900, 0, "let me check."),
        mark("llm", "tool_end", 4300, "t", text="look"),
        mark("llm", "request", 4302, "b"),
        *speech("b/2", 4600, 4700, 1),
        sounds=((2900, 3400), (4700, 5200)),
    )
    # The filler: the model called the function after 299 ms, and that called for the line.
    assert some(found, *FIRST) == [500, 1, 299, 5, 75, 10, 10, 16]
    assert some(found, *CONTENT) == [500, 1799, 298, 80, 0, 10, 13]
    assert found["time_to_content"] == 2700


def test_without_a_filler_the_stages_are_those_of_the_first_sound_alone() -> None:
    found = stages(
        *TURN,
        mark("llm", "request", 2501, "a"),
        *speech("a/1", 2700, 2800, 0),
        sounds=((2800, 3300),),
    )
    assert some(found, *FIRST) == [500, 1, 199, IN_CLAUSE, 80, 10, 10, 11]
    assert {found[name] for name in (*CONTENT, "content_llm_ttft")} == {NO_FILLER}
    assert found["time_to_content"] == found["voice_to_voice"] == 800


def test_a_line_that_answers_without_a_language_model_has_the_stages_it_has() -> None:
    found = stages(*TURN, *speech("1", 2900, 3000, 0, "yes."), sounds=((3000, 3500),))
    assert some(found, *FIRST) == [500, 400, NO_LLM, NO_LLM, 80, 10, 10, 410]


def test_a_filler_of_which_nothing_follows_has_no_path_to_an_answer() -> None:
    found = stages(*TURN, *speech("1", 2900, 3000, 0, "hm.", value=1.0), sounds=((3000, 3500),))
    assert {found[name] for name in CONTENT} == {ONLY_FILLERS}


# Fillers by the words that a fixture's labels give


CHECK = ("let me check", "one moment")


def test_words_of_the_labels_make_an_utterance_a_filler() -> None:
    model = [
        mark("llm", "request", 2300, "a"),
        *speech("a/1", 2400, 2500, 0, "Let me check. One moment, let me check!"),
        *speech("a/2", 3400, 3500, 1, "It is red."),
    ]
    assert ids(found(*model)) == ("a/1", [])
    assert ids(found(*model, fillers=CHECK)) == ("a/2", ["a/1"])
    assert found(*model[:-5], fillers=CHECK).missing == ONLY_FILLERS


def test_a_filler_that_is_made_in_one_with_the_answer_hides_where_that_begins() -> None:
    written = [
        mark("llm", "request", 2300, "a"),
        mark("llm", "end", 2390, "a", text="Let me check. It is red."),
        *speech("a/1", 2400, 2500, 0),  # a bot's: its text is that of the whole answer
    ]
    told = found(*written, fillers=CHECK)
    assert (told.utterance, told.missing) == (None, IN_ONE)
    assert ids(found(*written, fillers=("one moment",))) == ("a/1", [])


def streamed(*words: tuple[int, str]) -> list[Mark]:
    return [mark("duplex", "text", ms, "s", text=text) for ms, text in words]


def by_replies(fillers: tuple[str, ...], *words: tuple[int, str]) -> tuple[object, object]:
    """time_to_content of a duplex model that sounds twice, or why there is none; and its stages."""
    pcm = np.zeros((8 * RATE, 2), np.int16)
    for start, end in ((2300, 2900), (4000, 4800)):
        pcm[start * 16 : end * 16, 1] = 8000
    trial = replace(TRIAL, kind="scripted", weights="scripted")
    labels = FixtureLabels("f", (), fillers=fillers)
    rows = compute_trial(trial, [*user(), *streamed(*words)], pcm, labels)
    by_name = {r.metric: r.reason if r.value is None else r.value for r in rows if r.turn == 0}
    return by_name["time_to_content"], by_name["content_llm_to_clause"]


def test_of_a_model_with_a_stream_of_text_each_reply_is_judged_by_its_words() -> None:
    said = ((2200, "let"), (2350, " me"), (2500, " check"), (3900, "it"), (4100, " is red"))
    assert by_replies(CHECK, *said) == (2000, NOT_MARKED)
    assert by_replies(("hm",), *said) == (300, NO_FILLER)
    assert by_replies((), *said)[0] == NOT_MARKED
    both = ((2200, "let me check"), (2500, " the box"), (3900, "it is red"))
    assert by_replies(CHECK, *both)[0] == IN_ONE


def test_of_a_model_without_any_text_a_filler_cannot_be_told_and_that_is_said() -> None:
    assert by_replies(CHECK)[0] == NO_TIMES


def by_words(
    *words: tuple[int, str], fillers: tuple[str, ...] = CHECK, line: str = "stream"
) -> object:
    """time_to_content of an agent elsewhere that sounds twice, or why there is none."""
    pcm = np.zeros((8 * RATE, 2), np.int16)
    for start, end in ((2300, 2900), (3200, 4800)):
        pcm[start * 16 : end * 16, 1] = 8000
    said = [mark("line", "agent_text", ms, text=text) for ms, text in words]
    trial = replace(TRIAL, kind="remote", weights="trained")
    labels = FixtureLabels("f", (), fillers=fillers)
    marks = [mark("line", "dialled", 0, text=line), *user(), *said]
    rows = compute_trial(trial, marks, pcm, labels)
    row = next(r for r in rows if (r.metric, r.turn) == ("time_to_content", 0))
    return row.reason if row.value is None else row.value


def test_of_an_agent_elsewhere_whose_words_come_before_their_sound_they_tell_filler_and_answer():
    filled = ((2290, "Let me"), (2292, " check."), (3190, "It is"), (3250, " red."))
    assert by_words(*filled) == 1200  # the second sound, 300 ms after the first
    assert by_words((2290, "It is"), (2300, " red.")) == 300
    assert by_words((2290, "Let me check.")) == ONLY_FILLERS
    # The filler is still heard when the answer's words come; or both come at once.
    assert by_words((2290, "Let me check."), (2700, "It is red.")) == IN_ONE
    assert by_words((2290, "Let me check. It is red.")) == IN_ONE
    assert by_words(*filled, line="twilio") == NO_TIMES


def as_told(*told: tuple[int, str]) -> object:
    """The same of one that says of its chunks what they are: (first chunk, what) each."""
    pcm = np.zeros((8 * RATE, 2), np.int16)
    for start, end in ((2300, 2900), (3200, 4800)):
        pcm[start * 16 : end * 16, 1] = 8000
    heard = [
        mark("ear", "heard", 2300 + 100 * n, f"g{int(n > 8)}:{n}", value=1_600) for n in range(25)
    ]
    facts = [mark("line", "filler", 2290 + 100 * n, value=n, text=what) for n, what in told]
    marks = [mark("line", "dialled", 0, text="stream"), *user(), *facts, *heard]
    marks += [
        mark("line", "agent_text", 2280, text="Hm."),
        mark("line", "agent_text", 2400, text="red"),
    ]
    trial = replace(TRIAL, kind="remote", weights="trained")
    rows = compute_trial(trial, marks, pcm, FixtureLabels("f", ()))
    row = next(r for r in rows if (r.metric, r.turn) == ("time_to_content", 0))
    return row.reason if row.value is None else row.value


def test_an_agent_elsewhere_may_say_itself_which_of_its_audio_is_a_filler():
    assert as_told((0, "filler"), (9, "answer")) == 1200
    assert as_told((0, "filler"), (4, "answer")) == 700  # within the first sound
    assert as_told((0, "answer")) == 300
    assert as_told((0, "answer"), (9, "filler")) == 300
    assert as_told((0, "filler")) == ONLY_FILLERS
