"""When the caller speaks next and when it hangs up: pure functions of the sounds heard, and of now.

There is no clock, no socket and no state in this module, so that a test checks every rule on a few
numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.caller.mouth import CHUNK_MS
from bench.caller.plan import LONGEST_GREETING_S, SILENCE_AFTER_AGENT_S, CallerTurn
from bench.store.records import Status
from pipelines.clock import NS_PER_MS, NS_PER_S

REPLY_GAP_NS = 800 * NS_PER_MS
"""Silence of the agent after which a new sound is a new reply, as in `bench.timeline.answers`."""
EARLY_NS = NS_PER_S // 10
"""A turn that follows the user's own one is scheduled this long before that one ends."""

Span = tuple[int, int]
"""An audible stretch of the agent: first sample, and the sample after the last, in ns."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing is due yet."""


@dataclass(frozen=True, slots=True)
class Speak:
    """The next turn's cue has come."""

    cue_ns: int
    """Time from which the turn's delay counts."""
    agent_end_ns: int | None = None
    """Time at which the agent fell silent, where that was the cue."""
    over_agent: bool = False
    """True where the agent did not fall silent, and the wait for that is over."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """The trial is over."""

    status: Status = "ok"
    """ok, no_answer, cue_missed or still_working."""
    agent_end_ns: int | None = None
    """Time at which the agent fell silent, where that ended the trial."""


Decision = Wait | Speak | HangUp


@dataclass(frozen=True, slots=True)
class Asked:
    """The turn that the user spoke last (or still speaks), on the trial's clock."""

    turn: CallerTurn
    following: CallerTurn | None
    """The turn after it; None: it is the last."""
    start_ns: int
    """Its first sample."""
    on_ns: int
    """Its first audible sample."""
    off_ns: int
    """The sample after its last audible one: waiting for an answer counts from here."""
    end_ns: int
    """The sample after its audio."""

    def timed_out(self, now_ns: int) -> bool:
        """True if the longest wait for its answer is over."""
        return now_ns > self.off_ns + self.timeout_ns

    @property
    def timeout_ns(self) -> int:
        """The longest wait for its answer."""
        return int(self.turn.timeout_s * NS_PER_S)


def audible(heard: Sequence[Span], since_ns: int, now_ns: int) -> list[Span]:
    """The stretches that end after ``since_ns`` and have begun by ``now_ns``."""
    return [span for span in heard if span[1] > since_ns and span[0] <= now_ns]


def greeted(heard: Sequence[Span], t0_ns: int, by_ns: int, now_ns: int) -> Decision:
    """Whether the first turn begins: the agent's greeting is over, or none has come in time.

    A greeting's sentences may lie apart, so it is over after the silence that ends a trial. One
    that does not end is waited for no longer than `LONGEST_GREETING_S`.

    Args:
        heard: The agent's audible stretches so far, by time.
        t0_ns: Start of the trial.
        by_ns: Latest start of a greeting.
        now_ns: The time now.
    """
    ends = [end for _, end in audible(heard, t0_ns, now_ns)]
    over_ns = max(ends) + int(SILENCE_AFTER_AGENT_S * NS_PER_S) if ends else by_ns
    if now_ns >= over_ns:
        return Speak(now_ns)
    too_long = now_ns >= by_ns + int(LONGEST_GREETING_S * NS_PER_S)
    return Speak(now_ns, over_agent=True) if too_long else Wait()


def first_answer(asked: Asked, heard: Sequence[Span], now_ns: int) -> int | None:
    """Time at which the agent began to speak after the user's turn had ended; None: it has not."""
    spans = audible(heard, asked.start_ns, now_ns)
    return next((start for start, _ in spans if start >= asked.off_ns), None)


def decide(
    asked: Asked,
    heard: Sequence[Span],
    now_ns: int,
    *,
    listens: bool = True,
    at_work: bool = False,
) -> Decision:
    """The caller's next action.

    Args:
        asked: The last turn.
        heard: The agent's audible stretches so far, by time.
        now_ns: The time now.
        listens: False: whatever is heard, the trial ends a fixed silence after the last turn.
        at_work: Whether the agent reports that it still works on its answer: the caller waits for
            it, one timeout more at most.
    """
    following = asked.following
    if following is None:
        decision = _last(asked, heard, now_ns) if listens else _after_silence(asked, now_ns)
    elif following.after == "agent_onset":
        decision = _at_onset(asked, heard, now_ns)
    elif following.after == "agent_end":
        decision = _at_end(asked, following, heard, now_ns)
    else:
        return Speak(asked.end_ns) if now_ns >= asked.end_ns - EARLY_NS else Wait()
    return _waited_for(asked, decision, heard, now_ns) if at_work and listens else decision


def _waited_for(asked: Asked, decision: Decision, heard: Sequence[Span], now_ns: int) -> Decision:
    """A decision while the agent still works: it waits, or the longest wait is over."""
    if isinstance(decision, Wait) or (isinstance(decision, Speak) and not decision.agent_end_ns):
        return decision
    ends = [end for _, end in audible(heard, asked.start_ns, now_ns)]
    since_ns = max([asked.off_ns + asked.timeout_ns, *ends])
    if now_ns <= since_ns + asked.timeout_ns:
        return Wait()
    return HangUp("still_working", max(ends, default=None))


def _after_silence(asked: Asked, now_ns: int) -> Decision:
    over = now_ns >= asked.end_ns + int(asked.turn.wait_s * NS_PER_S)
    return HangUp() if over else Wait()


def _last(asked: Asked, heard: Sequence[Span], now_ns: int) -> Decision:
    """After the last turn: hang up once the answer has been heard, or none can come any more."""
    spans = audible(heard, asked.start_ns, now_ns)
    answered = any(start >= asked.off_ns for start, _ in spans)
    timed_out = asked.timed_out(now_ns)
    # A sound that began before the user had ended may be all that comes, or a false start: only
    # time decides, so nothing but an onset after u_off ends the trial early.
    if answered or (timed_out and any(end > asked.off_ns for _, end in spans)):
        silent_ns = max(end for _, end in spans)
        over = now_ns >= silent_ns + int(asked.turn.wait_s * NS_PER_S)
        return HangUp(agent_end_ns=silent_ns) if over else Wait()
    if not timed_out:
        return Wait()
    return HangUp("no_answer" if asked.turn.expects_answer else "ok")


def _at_onset(asked: Asked, heard: Sequence[Span], now_ns: int) -> Decision:
    """The next turn waits for the agent to begin its answer.

    Where the user broke into a reply, that reply's next sentence is no answer: an answer then
    begins after the user has ended.
    """
    interrupted = audible(heard, asked.on_ns - REPLY_GAP_NS, asked.on_ns)
    since_ns = asked.off_ns if interrupted else asked.on_ns
    spans = audible(heard, asked.start_ns, now_ns)
    begun_ns = next((start for start, _ in spans if start >= since_ns), None)
    if begun_ns is not None:
        return Speak(begun_ns)
    return HangUp("cue_missed") if asked.timed_out(now_ns) else Wait()


def _at_end(asked: Asked, following: CallerTurn, heard: Sequence[Span], now_ns: int) -> Decision:
    """The next turn waits until the agent has fallen silent."""
    spans = audible(heard, asked.start_ns, now_ns)
    timed_out = asked.timed_out(now_ns)
    answered = any(start >= asked.off_ns for start, _ in spans)
    silent_ns = max((end for _, end in spans if end > asked.off_ns), default=None)
    if silent_ns is not None:
        # One chunk early: the wanted sample is then still unsent, and is hit exactly.
        early_ns = now_ns + CHUNK_MS * NS_PER_MS
        quiet = early_ns >= silent_ns + following.delay_ms * NS_PER_MS
        return Speak(silent_ns, silent_ns) if quiet and (answered or timed_out) else Wait()
    if not timed_out:
        return Wait()
    # Silence is no reason to hang up where no answer was wanted, or the user goes on without it.
    hangs_up = asked.turn.expects_answer and not following.goes_on
    return HangUp("cue_missed") if hangs_up else Speak(now_ns)
