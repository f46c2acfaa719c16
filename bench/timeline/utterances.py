"""What the agent said in a turn, request by request: which is a filler, and which the answer.

A filler ("let me check") keeps the user company until the answer is there. That a request is one is
read off the pipeline's marks: the frame says so itself; it was spoken before the result of a
function that the turn called; or the pipeline spoke it by itself, and a language model's answer to
the same turn followed.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.timeline.timeline import Timeline, Turn, llm_of

STILL_RUNS = "the function that the turn called had not ended"
ONLY_FILLERS = "only a filler was heard"
NOT_MARKED = "the agent marks no requests of a synthesiser: a filler can't be told from an answer"


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


@dataclass(frozen=True, slots=True)
class Content:
    """The utterance that carries a turn's answer."""

    utterance: Utterance | None
    """None where there is none, or it can't be known."""
    fillers: tuple[Utterance, ...] = ()
    """Those before it, by time."""
    missing: str | None = None
    """Why there is no utterance; None if there is one."""


NO_CONTENT = Content(None, missing=NOT_MARKED)
"""Of a turn whose agent marks no requests of a synthesiser."""


def utterances(turn: Turn) -> list[Utterance]:
    """The turn's utterances, by the time of their first audio."""
    first_byte: dict[str, int] = {}
    for mark in turn.all("tts", "first_byte"):
        first_byte.setdefault(mark.request_id, mark.t_ns)
    found = [
        Utterance(
            mark.request_id,
            llm_of(mark),
            mark.t_ns,
            first_byte[mark.request_id],
            mark.text or "",
            mark.value == 1,
        )
        for mark in turn.all("tts", "request")
        if mark.request_id in first_byte and mark.t_ns >= turn.u_on_ns
    ]
    return sorted(found, key=lambda utterance: utterance.first_byte_ns)


def content(turn: Turn) -> Content:
    """Finds the utterance that answers a turn: the first one that is no filler."""
    said = utterances(turn)
    if not said:
        return NO_CONTENT
    started = turn.all("llm", "tool_start")
    ended = {mark.request_id: mark.t_ns for mark in turn.all("llm", "tool_end")}
    if any(mark.request_id not in ended for mark in started):
        return Content(None, tuple(said), STILL_RUNS)
    last_result_ns = max((ended[mark.request_id] for mark in started), default=0)
    last_of_model_ns = max((u.first_byte_ns for u in said if u.llm_id), default=0)
    fillers: list[Utterance] = []
    for utterance in said:
        before_result = utterance.request_ns < last_result_ns
        beside_model = not utterance.llm_id and utterance.first_byte_ns < last_of_model_ns
        if not (utterance.calls_itself_filler or before_result or beside_model):
            return Content(utterance, tuple(fillers))
        fillers.append(utterance)
    return Content(None, tuple(fillers), ONLY_FILLERS)


def heard_from_ns(timeline: Timeline, utterance: Utterance) -> int | None:
    """The first audible sample of an utterance; None if it was not heard.

    Its audio may follow another's without a silence, so it is looked for from the chunk on that was
    written after the utterance's first audio had come out.
    """
    for chunk in timeline.chunks:
        if chunk.write_ns >= utterance.first_byte_ns and chunk.heard_ns is not None:
            since_ns = chunk.heard_ns
            sounds = (s for s in timeline.sounds if s.end_ns > since_ns)
            sound = next(sounds, None)
            return max(sound.start_ns, since_ns) if sound is not None else None
    return None
