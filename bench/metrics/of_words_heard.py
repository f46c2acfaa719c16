"""What a recogniser makes of what was heard of the agent (metric 18): are the words there, and are
they the right ones?

The recogniser listens once the run is over (`bench.recorded.listener`) and its transcripts are
marks, so that these figures can be computed again without it.
"""

from __future__ import annotations

from bench.metrics.of_trials import Reading
from bench.metrics.of_turn_taking import FALSE_WITHIN_NS
from bench.metrics.of_turns import NOT_MARKED, TurnView, success
from bench.metrics.validity import NOT_EXPECTED
from bench.metrics.word_errors import WordErrors, word_errors
from bench.timeline.replies import ending, reply_at
from bench.timeline.timeline import Timeline, Turn

NOT_LISTENED = "nobody has listened to it: duplex-lab listen RUN"
CUT = "the user broke into the answer"

Interval = tuple[int, int]


def answer_span(timeline: Timeline, turn: Turn) -> Interval | None:
    """When the answer to a turn was heard: from a_on to the end of the turn's last reply.

    A reply that goes on over what the user says next is heard to its end.
    """
    if turn.a_on_ns is None:
        return None
    until = turn.end_ns
    ends = [
        reply.end_ns
        for reply in timeline.replies
        if reply.end_ns > turn.a_on_ns and (until is None or reply.start_ns < until)
    ]
    return (turn.a_on_ns, max(ends)) if ends else None


def broken_into(timeline: Timeline, turn: Turn) -> bool:
    """Whether the user's next turn stopped the answer to this one: not all of it was said."""
    following = timeline.turn(turn.number + 1)
    if following is None:
        return False
    reply = reply_at(timeline, following.u_on_ns)
    if reply is None or reply.end_ns > following.u_off_ns + FALSE_WITHIN_NS:
        return False
    return ending(timeline, reply, following.u_on_ns).stopped


def transcript(view: TurnView) -> str | None:
    """What the recogniser made of the answer, empty of none; None where it has not listened."""
    marks = view.turn.all("ear", "transcript")
    return (marks[-1].text or "") if marks else None


_by_transcript = success(transcript, NOT_LISTENED)


def heard_success(view: TurnView) -> Reading:
    """As task_success where an answer is wanted and was not broken into, by those words."""
    if view.labels is not None and not view.labels.expect.respond:
        return Reading(None, NOT_EXPECTED)
    if transcript(view) is None:
        return Reading(None, NOT_LISTENED)
    if broken_into(view.timeline, view.turn):
        return Reading(None, CUT)
    return _by_transcript(view)


def _errors(view: TurnView) -> WordErrors | str:
    """The transcript against what was meant; or why there is no such thing."""
    turn, timeline = view.turn, view.timeline
    if turn.a_on_ns is None:
        return turn.silence or "nothing was heard"
    heard = transcript(view)
    if heard is None:
        return NOT_LISTENED
    meant = turn.answer_of(view.path.llm_id)
    if meant is None:
        return NOT_MARKED
    if broken_into(timeline, turn):
        return CUT
    return word_errors(meant, heard)


def agent_words(view: TurnView) -> Reading:
    """How many words the agent meant to say."""
    found = _errors(view)
    return Reading(None, found) if isinstance(found, str) else Reading(float(found.words))


def agent_word_errors(view: TurnView) -> Reading:
    """How many of them, and of those added, are wrong in the transcript."""
    found = _errors(view)
    return Reading(None, found) if isinstance(found, str) else Reading(float(found.errors))


def agent_wer(view: TurnView) -> Reading:
    """Word errors per word meant, in %."""
    found = _errors(view)
    return Reading(None, found) if isinstance(found, str) else Reading(100 * found.rate)
