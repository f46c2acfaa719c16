"""What the agent said in a turn, request by request: which is a filler, and which the answer.

A filler ("let me check") keeps the user company until the answer is there. That a request is one is
read off the pipeline's marks: the frame says so itself; it was spoken before the result of a
function that the turn called; or the pipeline spoke it by itself, and a language model's answer to
the same turn followed.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.timeline.timeline import Timeline, Turn, llm_of
from pipelines.marks import Mark

STILL_RUNS = "the function that the turn called had not ended"
ONLY_FILLERS = "only a filler was heard"
LINES_APART = (
    "the pipeline spoke several lines of its own, and no model answered: which is the answer can't "
    "be told (a frame may say is_filler)"
)
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
    if not any(m.t_ns >= last_result_ns for m in turn.all("llm", "request")):
        # No model is asked what the result means: the function itself says what is to be said.
        last = max((u.request_ns for u in said if not u.calls_itself_filler), default=0)
        last_result_ns = min(last_result_ns, last)
    fillers: list[Utterance] = []
    for utterance in said:
        before_result = utterance.request_ns < last_result_ns
        beside_model = not utterance.llm_id and utterance.first_byte_ns < last_of_model_ns
        if not (utterance.calls_itself_filler or before_result or beside_model):
            return Content(utterance, tuple(fillers))
        fillers.append(utterance)
    return Content(None, tuple(fillers), ONLY_FILLERS)


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
    heard_ns = heard_from_ns(timeline, first)
    reply = next(
        (r for r in timeline.replies if heard_ns and r.start_ns <= heard_ns < r.end_ns), None
    )
    later = [heard_from_ns(timeline, u) for u in said if u.first_byte_ns > first.first_byte_ns]
    return reply is not None and any(ns is not None and ns >= reply.end_ns for ns in later)


def heard_from_ns(timeline: Timeline, utterance: Utterance) -> int | None:
    """The first audible sample of an utterance; None if it was not heard.

    Its audio may wait behind another's and follow it without a silence. So it is looked for from
    the chunk on that was written when its context's turn had come; where that is not marked, after
    its first audio had come out.
    """
    begun = [m.t_ns for m in timeline.all("link", "context") if m.text == utterance.context]
    from_ns = max([utterance.first_byte_ns, *begun[:1]])
    for chunk in timeline.chunks:
        if chunk.write_ns >= from_ns and chunk.heard_ns is not None:
            since_ns = chunk.heard_ns
            sounds = (s for s in timeline.sounds if s.end_ns > since_ns)
            sound = next(sounds, None)
            return max(sound.start_ns, since_ns) if sound is not None else None
    return None
