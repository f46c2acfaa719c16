"""What the agent said in a turn, request by request: which is a filler, and which the answer.

A filler ("let me check") keeps the user company until the answer is there. That a request is one is
read off the pipeline's marks: the frame says so itself; it was spoken before the result of a
function that the turn called; or the pipeline spoke it by itself, and a language model's answer to
the same turn followed. And off the labels of a fixture, which may name the words of fillers: where
no synthesiser is marked, each reply is judged by the text that the model wrote meanwhile.
An agent elsewhere may say of its audio itself what is a filler.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.store.words import words
from bench.timeline.answers import Chunk
from bench.timeline.timeline import Timeline, Turn, llm_of
from pipelines.clock import NS_PER_MS, samples_to_ns
from pipelines.marks import Mark

STILL_RUNS = "the function that the turn called had not ended"
ONLY_FILLERS = "only a filler was heard"
LINES_APART = (
    "the pipeline spoke several lines of its own, and no model answered: which is the answer can't "
    "be told (a frame may say is_filler)"
)
NOT_MARKED = "the agent marks no requests of a synthesiser: a filler can't be told from an answer"
NO_TIMES = (
    "the agent marks neither requests of a synthesiser nor when its words were said: a filler "
    "can't be told from an answer"
)
WORDS_FIRST = ("stream",)
"""Lines on which an agent's words come before their sound."""
ROUNDING_NS = NS_PER_MS
"""Difference between a mark and a sample of the recording that rounding explains."""
TOLD_FILLER = "filler"
"""Text of the mark before audio that fills a wait, of an agent elsewhere."""
IN_ONE = "a filler and what follows it were made as one: where the answer begins is not known"


@dataclass(frozen=True, slots=True)
class Utterance:
    """One request of the synthesiser of which audio came."""

    request_id: str
    """Of the synthesiser's request."""
    llm_id: str
    """Of the language model's request that it belongs to; empty: the pipeline's own line."""
    request_ns: int
    """When the synthesiser was asked."""
    first_byte_ns: int
    """When its first audio came out."""
    text: str
    """Its words, where its request is marked with them."""
    calls_itself_filler: bool
    """Whether the pipeline's frame says so."""
    context: str = ""
    """Of the pipeline's frames; empty where it is not marked."""


@dataclass(frozen=True, slots=True)
class Content:
    """The utterance that carries a turn's answer."""

    utterance: Utterance | None
    """None where there is none, or it can't be known."""
    fillers: tuple[Utterance, ...] = ()
    """Those before it, by time."""
    missing: str | None = None
    """Why there is no utterance; None if there is one."""
    on_ns: int | None = None
    """First audible sample of the utterance, where it is known without a synthesiser's marks."""


NO_CONTENT = Content(None, missing=NOT_MARKED)
"""Of a turn whose agent marks no requests of a synthesiser."""


def utterances(turn: Turn) -> list[Utterance]:
    """The turn's utterances, by the time of their first audio."""
    first_byte: dict[str, Mark] = {}
    for mark in turn.all("tts", "first_byte"):
        first_byte.setdefault(mark.request_id, mark)
    found = [
        Utterance(
            mark.request_id,
            llm_of(mark),
            mark.t_ns,
            first_byte[mark.request_id].t_ns,
            mark.text or "",
            mark.value == 1,
            first_byte[mark.request_id].text or "",
        )
        for mark in turn.all("tts", "request")
        if mark.request_id in first_byte and mark.t_ns >= turn.u_on_ns
    ]
    return sorted(found, key=lambda utterance: utterance.first_byte_ns)


def content(timeline: Timeline, turn: Turn, fillers: Sequence[str] = ()) -> Content:
    """Finds the utterance that answers a turn: the first one that is no filler.

    Args:
        timeline: The trial.
        turn: The turn.
        fillers: Phrases that the fixture's labels call fillers.
    """
    phrases = [words(phrase) for phrase in fillers]
    said = utterances(turn)
    if not said:
        return _as_told(timeline, turn) or _by_replies(timeline, turn, phrases)
    started = turn.all("llm", "tool_start")
    ended = {mark.request_id: mark.t_ns for mark in turn.all("llm", "tool_end")}
    if any(mark.request_id not in ended for mark in started):
        return Content(None, tuple(said), STILL_RUNS)
    last_result_ns = max((ended[mark.request_id] for mark in started), default=0)
    last_of_model_ns = max((u.first_byte_ns for u in said if u.llm_id), default=0)
    if not any(m.t_ns >= last_result_ns for m in turn.all("llm", "request")):
        # No model is asked what the result means: the function itself says what is to be said.
        last = max((u.request_ns for u in said if not u.calls_itself_filler), default=0)
        last_result_ns = min(last_result_ns, last)
    found: list[Utterance] = []
    for utterance in said:
        before_result = utterance.request_ns < last_result_ns
        beside_model = not utterance.llm_id and utterance.first_byte_ns < last_of_model_ns
        if not (utterance.calls_itself_filler or before_result or beside_model):
            left = _after_fillers(words(_text_of(turn, said, utterance)), phrases)
            if left is None:
                return Content(utterance, tuple(found))
            if left:
                return Content(None, tuple(found), IN_ONE)
        found.append(utterance)
    return Content(None, tuple(found), ONLY_FILLERS)


def _text_of(turn: Turn, said: Sequence[Utterance], utterance: Utterance) -> str:
    """An utterance's words: its own, or its language model's, where it is all that was said."""
    alone = sum(other.llm_id == utterance.llm_id for other in said) == 1
    if utterance.text or not utterance.llm_id or not alone:
        return utterance.text
    return turn.answer_of(utterance.llm_id) or ""


def _after_fillers(text: list[str], phrases: Sequence[list[str]]) -> list[str] | None:
    """What follows the fillers that a text begins with; None where it begins with none."""
    left = text
    while phrase := next((p for p in phrases if left and left[: len(p)] == p), None):
        left = left[len(phrase) :]
    return None if len(left) == len(text) else left


def _as_told(timeline: Timeline, turn: Turn) -> Content | None:
    """As `content`, of an agent elsewhere that says what its audio is; None where it does not.

    Words of the answer are those that came after the filler had begun.
    """
    told = [(m.value or 0.0, m.text == TOLD_FILLER) for m in timeline.all("line", "filler")]
    if not told or turn.a_on_ns is None:
        return None
    fillers: tuple[Utterance, ...] = ()
    since_ns = turn.u_on_ns
    for number, on_ns in _audible_chunks(timeline, turn.a_on_ns, turn.end_ns):
        if not next((filler for first, filler in reversed(told) if first <= number), False):
            pieces = turn.all("line", "agent_text")
            text = "".join(m.text or "" for m in pieces if m.t_ns >= since_ns)
            return Content(_line_of(on_ns, text), fillers, on_ns=on_ns)
        since_ns = since_ns if fillers else on_ns
        fillers = fillers or (_line_of(on_ns, ""),)
    return Content(None, fillers, ONLY_FILLERS)


def _audible_chunks(
    timeline: Timeline, start_ns: int, end_ns: int | None
) -> Iterator[tuple[int, int]]:
    """(its number, first audible sample) of each chunk that is heard between two times."""
    for mark in timeline.all("ear", "heard"):
        if end_ns is not None and mark.t_ns >= end_ns:
            return
        over_ns = mark.t_ns + samples_to_ns(int(mark.value or 0), timeline.trial.rate_hz)
        from_ns = max(mark.t_ns, start_ns)
        sound = next((s for s in timeline.sounds if s.end_ns > from_ns), None)
        if sound is not None and (on_ns := max(sound.start_ns, from_ns)) < over_ns:
            yield int(mark.request_id.rpartition(":")[2]), on_ns


def _by_replies(timeline: Timeline, turn: Turn, phrases: Sequence[list[str]]) -> Content:
    """As `content`, of an agent whose text comes with its speech: by what each reply says."""
    if not phrases or turn.a_on_ns is None:
        return NO_CONTENT
    texts = turn.all("duplex", "text")
    if not texts:
        return _by_words(timeline, turn, phrases)
    until_ns = sys.maxsize if turn.end_ns is None else turn.end_ns
    replies = [r for r in timeline.replies if turn.a_on_ns <= r.start_ns < until_ns]
    found: list[Utterance] = []
    since_ns = turn.u_on_ns
    for reply in replies:
        text = "".join(m.text or "" for m in texts if since_ns <= m.t_ns < reply.end_ns)
        since_ns = reply.end_ns
        utterance = Utterance("", "", reply.start_ns, reply.start_ns, text, False)
        left = _after_fillers(words(text), phrases)
        if left is None:
            return Content(utterance, tuple(found), on_ns=reply.start_ns)
        if left:
            return Content(None, tuple(found), IN_ONE)
        found.append(utterance)
    return Content(None, tuple(found), ONLY_FILLERS)


def _by_words(timeline: Timeline, turn: Turn, phrases: Sequence[list[str]]) -> Content:
    """As `content`, of an agent elsewhere whose words come just before their sound.

    The answer begins with the first sound after its first words; where a filler is still heard
    when they come, that is not known.
    """
    if not any(mark.text in WORDS_FIRST for mark in timeline.all("line", "dialled")):
        return Content(None, missing=NO_TIMES)
    pieces = turn.all("line", "agent_text")
    said = ["".join(m.text or "" for m in pieces[:k]) for k in range(len(pieces) + 1)]
    for before, after, mark in zip(said, said[1:], pieces, strict=False):
        so_far = words(after)
        left = _after_fillers(so_far, phrases)
        if left == [] or any(phrase[: len(so_far)] == so_far for phrase in phrases):
            continue  # all of it is filler, or may become one
        if left is None:
            return Content(_line_of(turn.a_on_ns, said[-1]), on_ns=turn.a_on_ns)
        if _after_fillers(words(before), phrases) != [] or any(
            sound.start_ns <= mark.t_ns < sound.end_ns for sound in timeline.sounds
        ):
            return Content(None, missing=IN_ONE)
        sound = next((s for s in timeline.sounds if s.start_ns >= mark.t_ns), None)
        if sound is None:
            break
        own = _line_of(sound.start_ns, said[-1][len(before) :])
        return Content(own, (_line_of(turn.a_on_ns, before),), on_ns=sound.start_ns)
    return Content(None, missing=ONLY_FILLERS)


def _line_of(on_ns: int | None, text: str) -> Utterance:
    """An utterance of which nothing but its words and its first sound is known."""
    return Utterance("", "", on_ns or 0, on_ns or 0, text, False)


def answer_text(turn: Turn, found: Content, llm_id: str) -> str | None:
    """What the agent meant to answer to a turn; None where it is not reported.

    Args:
        turn: The turn.
        found: Its content; after a filler, the words of the utterance that carries the answer.
        llm_id: The LLM request that led to the first sound; without a filler, its words.
    """
    if not found.fillers:
        return turn.answer_of(llm_id)
    if found.utterance is None:
        return ""
    of = found.utterance
    return turn.answer_of(of.llm_id) if of.llm_id else of.text or None


@dataclass(frozen=True, slots=True)
class Spoken:
    """An utterance on its way to the ear."""

    write_ns: int
    """When the chunk with its first sample was written."""
    heard_ns: int
    """When that sample was heard."""
    is_queued: bool
    """Whether its first audio came out while the utterance before it was still heard: then it
    waited for that to end."""


def spoken(
    turn: Turn, chunks: Sequence[Chunk], rate_hz: int, voice_hz: float | None = None
) -> dict[str, Spoken]:
    """Where the audio of a turn's utterances lies in the agent's stream, by request.

    Audio is played in the order in which it came out. So an utterance begins in the chunk that was
    written next after its context's turn had come; where that is not marked, after its first audio,
    but not before the samples of the utterance before it.

    Args:
        turn: The turn.
        chunks: All chunks of the trial, as written.
        rate_hz: Rate of the recording.
        voice_hz: Rate of the synthesiser's samples; None: the same.
    """
    scale = rate_hz / (voice_hz or rate_hz)
    samples = {
        m.request_id: round(m.value * scale) for m in turn.all("tts", "end") if m.value is not None
    }
    found: dict[str, Spoken] = {}
    contexts = {m.text: m.t_ns for m in reversed(turn.all("link", "context"))}
    before: tuple[str, int, int] | None = None
    """Of the utterance before: generation, the sample after its last, and when that is heard."""
    for utterance in utterances(turn):
        begun_ns = contexts.get(utterance.context or None)
        if contexts and utterance.context and begun_ns is None:
            continue  # it was never sent
        from_ns = max(utterance.first_byte_ns, begun_ns or 0)
        later = (c for c in chunks if c.write_ns >= from_ns)
        first = next(later, None)
        if first is None:
            break
        start, is_queued = first.index, False
        # What a clear dropped is not in the stream of after it.
        if before is not None and before[0] == first.generation:
            start = max(start, before[1]) if begun_ns is None else start
            is_queued = before[2] > utterance.first_byte_ns
        before = None
        own = next((c for c in chunks if _holds(c, start, first.generation)), None)
        if own is None or own.heard_ns is None or start - own.index >= own.heard_samples:
            continue
        heard_ns = own.heard_ns + samples_to_ns(start - own.index, rate_hz)
        found[utterance.request_id] = Spoken(own.write_ns, heard_ns, is_queued)
        length = samples.get(utterance.request_id)
        if length is not None:
            end_ns = heard_ns + samples_to_ns(length, rate_hz)
            before = (first.generation, start + length, end_ns)
    return found


def _holds(chunk: Chunk, index: int, generation: str) -> bool:
    """Whether a chunk holds a sample of the agent's stream."""
    inside = chunk.index <= index < chunk.index + chunk.samples
    return inside and chunk.generation == generation


def audio_of(timeline: Timeline, turn: Turn, utterance: Utterance) -> Spoken | None:
    """Where the audio of one utterance lies in the agent's stream; None if it was not heard."""
    rates = timeline.all("tts", "rate")
    voice_hz = rates[-1].value if rates else None
    found = spoken(turn, timeline.chunks, timeline.trial.rate_hz, voice_hz)
    return found.get(utterance.request_id)


def heard_from_ns(timeline: Timeline, found: Spoken) -> int | None:
    """The first audible sample of an utterance; None if it was not heard.

    Its audio may follow another's without a silence.
    """
    sound = next((s for s in timeline.sounds if s.end_ns > found.heard_ns), None)
    return max(sound.start_ns, found.heard_ns) if sound is not None else None


def content_on_ns(timeline: Timeline, turn: Turn, found: Content) -> int | None:
    """The first audible sample of the utterance that answers a turn; None if it was not heard."""
    if found.utterance is None or found.on_ns is not None:
        return found.on_ns
    return _on_ns(timeline, turn, found.utterance)


def _on_ns(timeline: Timeline, turn: Turn, utterance: Utterance) -> int | None:
    audio = audio_of(timeline, turn, utterance)
    return heard_from_ns(timeline, audio) if audio is not None else None


def goes_before(turn: Turn, found: Content) -> bool:
    """Whether something else was heard before the utterance that answers a turn.

    That is a filler, or a sound before the answer's first audio, which is none of the
    synthesiser's: a beep, a recording.
    """
    answer = found.utterance
    if answer is None or turn.a_on_ns is None:
        return False
    return bool(found.fillers) or answer.first_byte_ns > turn.a_on_ns + ROUNDING_NS


def lines(turn: Turn) -> list[Utterance]:
    """The turn's utterances that the pipeline spoke by itself, by the time of their first audio.

    They are requests that name no language model, where the turn's others do, or where no language
    model is marked.
    """
    said = utterances(turn)
    if any(u.llm_id for u in said) or not any(mark.stage == "llm" for mark in turn.marks):
        return [u for u in said if u.text and not u.llm_id]
    return []


def has_unknown_answer(timeline: Timeline, turn: Turn, first: Utterance) -> bool:
    """True if which utterance answers is not known: lines of the pipeline's own, in replies apart.

    Args:
        timeline: The trial.
        turn: The turn.
        first: The first utterance that is not known to be a filler.
    """
    said = utterances(turn)
    if any(utterance.llm_id for utterance in said):
        return False
    heard_ns = _on_ns(timeline, turn, first)
    reply = next(
        (r for r in timeline.replies if heard_ns and r.start_ns <= heard_ns < r.end_ns), None
    )
    later = [_on_ns(timeline, turn, u) for u in said if u.first_byte_ns > first.first_byte_ns]
    return reply is not None and any(ns is not None and ns >= reply.end_ns for ns in later)
