"""One conversation: the mouth sends what is due, the ear records what arrives.

One loop, one thread, absolute deadlines. Everything costly (resampling, writing the recording)
waits until the conversation is over. Clock and connection are passed in, so that a test plays a
conversation in virtual time.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.caller.audible import MERGE_NS
from bench.caller.connection import AgentGoneError, Connection
from bench.caller.decisions import Asked, Decision, HangUp, Speak, decide, first_answer, greeted
from bench.caller.ear import Ear
from bench.caller.mouth import Mouth
from bench.caller.plan import CallerPlan, CallerResult
from bench.lines.line import (
    Audio,
    Bye,
    Chunk,
    Clear,
    Event,
    Fact,
    Line,
    LineError,
    Sent,
    Words,
    Work,
)
from bench.store.records import ENDED_WELL, Status
from pipelines.audio.ambience import dbfs
from pipelines.clock import NS_PER_MS, NS_PER_S, Clock, monotonic_ns, ns_to_samples
from pipelines.marks import EventName, MarkList, Stage, stamp

Early = Sequence[tuple[Event, int]]
"""Events that came with the agent's being ready, each with the time of its arrival, ns."""
START_DELAY_NS = 300 * NS_PER_MS
"""Time from the agent's being ready to t0, in which a pipeline that has just started settles."""


SETTLE_NS = 500 * NS_PER_MS
"""Time without open work after which the agent counts as idle: between a function's result and the
next request of the language model lies a moment in which nothing is open."""


NEVER_NS = 2**63 - 1
"""A time that never comes."""
WORDS_OF: dict[str, EventName] = {
    "agent": "agent_text",
    "user": "user_text",
    "error": "reported_error",
}
"""Side of the words that a line reports → the event of their mark."""
RATES_HZ = (4_000, 192_000)
"""Least and largest rate that an agent's audio may have."""
AHEAD_S = 600.0
"""Audio beyond what a trial can last that an agent may send, s."""
MAX_MESSAGES = 200_000
"""Messages that an agent may send in a trial: a thousand a second and more."""
LONG_S = 3.0
"""Sound without a pause that is worth a sentence where the trial reached its limit in it."""


class Conversation:
    """The person's side of one trial, from t0 on.

    Args:
        plan: The trial.
        connection: The way to the agent, which is ready.
        rate_hz: Sample rate of the agent's audio.
        clock: The machine's monotonic clock, ns.
        early: What the agent has said already.
    """

    def __init__(
        self,
        plan: CallerPlan,
        connection: Connection,
        rate_hz: int,
        clock: Clock = monotonic_ns,
        early: Early = (),
    ) -> None:
        t0_ns = clock() + START_DELAY_NS
        self._plan = plan
        self._connection = connection
        self._early = early
        self._clock = clock
        self._mouth = Mouth(plan.in_rate_hz, t0_ns)
        self._ear = Ear(rate_hz, t0_ns, plan.preroll_ms, stretch=plan.stretch)
        self._limit_ns = t0_ns + int(plan.limit_s * NS_PER_S)
        self._greeted_by_ns = t0_ns + int(plan.greeting_s * NS_PER_S)
        self._marks = MarkList()
        self._status: Status = "ok"
        self._turn = -1
        """Number of the last turn; -1: the agent's greeting is waited for."""
        self._asked: Asked | None = None
        """The last turn, on the trial's clock."""
        self._onset_marked = False
        self._open_requests = 0
        """Number of the agent's open requests, as it reports."""
        self._idle_since_ns = t0_ns - SETTLE_NS
        self._turn_over_ns = NEVER_NS
        """Time at which the turn that is being spoken is over."""
        self._received = 0
        """Samples of the agent's that have arrived."""
        self._messages = 0
        """Events that have arrived."""

    def run(self) -> None:
        """Speaks and listens until the trial is over.

        Raises:
            AgentGoneError: the agent left before it had answered the last turn.
            LineError: it broke the line's protocol.
        """
        try:
            self.begin()
            while True:
                due_ns = self.due_ns
                if self._clock() < due_ns:
                    self.take(*self._connection.listen(due_ns))
                elif self.speak(due_ns):
                    return
        except AgentGoneError as gone:
            self.left(gone)

    def begin(self) -> None:
        """Hears what the agent has said already, and plans the first turn."""
        for event, arrival_ns in self._early:
            self._hear(event, arrival_ns)
        if not self._plan.greeting_s:
            self._next_turn(self._mouth.t0_ns)

    @property
    def due_ns(self) -> int:
        """When `speak` is due next."""
        return self._mouth.due_ns(self._mouth.next_k)

    def left(self, gone: AgentGoneError) -> None:
        """The agent has gone away: that ends the conversation well, if it has answered.

        Raises:
            AgentGoneError: it has not.
        """
        if not self._answered_all():
            raise AgentGoneError(self._too_early(gone)) from None
        self._status = "hung_up"

    def _answered_all(self) -> bool:
        """Whether the last turn was spoken to its end and an answer to it has been heard."""
        asked, now_ns = self._asked, self._clock()
        if asked is None or asked.following is not None or now_ns < asked.end_ns:
            return False
        return first_answer(asked, self._ear.audible, now_ns) is not None

    def _too_early(self, gone: AgentGoneError) -> str:
        """What an agent that went away too early left open, one sentence."""
        number, turns = self._turn + 1, len(self._plan.turns)
        if self._asked is None:
            return f"the agent hung up before the first turn ({gone})"
        if self._asked.following is None:
            return f"the agent hung up before it had answered ({gone})"
        return f"the agent hung up in turn {number} of {turns} ({gone})"

    def take(self, events: Sequence[Event], arrival_ns: int) -> None:
        """Hears what has arrived from the agent.

        Raises:
            AgentGoneError: it ended the conversation.
            LineError: it broke the line's protocol.
        """
        self._messages += len(events)
        if self._messages > MAX_MESSAGES:
            raise LineError(
                f"the agent floods the line: {self._messages} messages in "
                f"{(arrival_ns - self._mouth.t0_ns) / NS_PER_S:.1f} s"
            )
        for event in events:
            self._hear(event, arrival_ns)

    def speak(self, due_ns: int) -> bool:
        """Sends the chunk that was due, and decides what is next; True when the call is over."""
        self._speak(due_ns)
        if self._act(self._decision(due_ns)):
            return True
        if due_ns > self._limit_ns:
            self._status = "cut_off"
            return True
        return False

    def _speak(self, due_ns: int) -> None:
        k = self._mouth.next_k
        chunk = Chunk(k, due_ns, self._mouth.chunk(k))
        line = self._connection.line
        self._connection.speak(chunk)
        if not line.reports_sent:
            self._mark("user", "chunk_sent", self._clock(), value=k)
        self._mouth.next_k = k + 1
        if due_ns >= self._turn_over_ns:
            self._turn_over_ns = NEVER_NS
            self._turn_ends(line)
        self._send(line.played(self._received - self._ear.queued_samples(due_ns)))

    def _turn_ends(self, line: Line) -> None:
        written = self._plan.turns[self._turn].written
        self._send(line.written(written) if written else line.turn_over())
        if written:
            self._mark("user", "written", self._clock(), text=written)

    def _send(self, data: bytes) -> None:
        """Sends what the line owes, if anything."""
        if data:
            self._connection.send(data)

    def _hear(self, event: Event, arrival_ns: int) -> None:
        if isinstance(event, Audio):
            self._hear_audio(event, event.at_ns or arrival_ns)
        elif isinstance(event, Clear):
            heard = self._received - self._ear.queued_samples(arrival_ns)
            self._ear.clear(event.generation, arrival_ns)
            self._send(self._connection.line.cut(heard))
        elif isinstance(event, Words):
            self._mark("line", WORDS_OF[event.side], arrival_ns, text=event.text)
        elif isinstance(event, Sent):
            self._mark("user", "chunk_sent", event.at_ns, value=event.k)
        elif isinstance(event, Fact):
            self._mark("line", event.event, arrival_ns, value=event.value, text=event.text)
        elif isinstance(event, Work):
            self._open_requests = event.open_requests
            self._idle_since_ns = arrival_ns
        elif isinstance(event, Bye):
            why = f": {event.reason}" if event.reason else ""
            raise AgentGoneError(f"the agent ended the conversation{why}")

    def _hear_audio(self, audio: Audio, arrival_ns: int) -> None:
        if audio.rate_hz is not None and audio.rate_hz != self._ear.rate_hz:
            if self._received:
                raise LineError(
                    f"the agent's audio changed its rate from {self._ear.rate_hz} to "
                    f"{audio.rate_hz} Hz in mid-call: one call has one rate"
                )
            if not RATES_HZ[0] <= audio.rate_hz <= RATES_HZ[1]:
                raise LineError(
                    f"the agent says that its audio has {audio.rate_hz} Hz: a rate from "
                    f"{RATES_HZ[0]} to {RATES_HZ[1]} Hz is needed"
                )
            # Nothing was heard yet, so that the recording can begin at the rate that is true.
            plan, t0_ns = self._plan, self._mouth.t0_ns
            self._ear = Ear(audio.rate_hz, t0_ns, plan.preroll_ms, stretch=plan.stretch)
        self._received += len(audio.pcm)
        most_s = AHEAD_S + (self._limit_ns - self._mouth.t0_ns) / NS_PER_S
        if self._received > most_s * self._ear.rate_hz:
            raise LineError(
                f"the agent floods the line: {self._received / self._ear.rate_hz:.0f} s of audio "
                f"in {(arrival_ns - self._mouth.t0_ns) / NS_PER_S:.1f} s, more than this trial can "
                "hear"
            )
        self._ear.receive(audio.chunk_id, audio.generation, audio.pcm, arrival_ns)
        self._mark("ear", "received", arrival_ns, audio.chunk_id, len(audio.pcm))

    def _decision(self, now_ns: int) -> Decision:
        heard = self._ear.audible
        if self._asked is None:
            return greeted(heard, self._mouth.t0_ns, self._greeted_by_ns, now_ns)
        if not self._onset_marked:
            onset_ns = first_answer(self._asked, heard, now_ns)
            if onset_ns is not None:
                self._mark("ear", "agent_onset", onset_ns)
                self._onset_marked = True
        at_work = self._open_requests > 0 or now_ns < self._idle_since_ns + SETTLE_NS
        return decide(self._asked, heard, now_ns, listens=self._plan.listens, at_work=at_work)

    def _act(self, decision: Decision) -> bool:
        """Carries out a decision; True when the trial is over."""
        if not isinstance(decision, Speak | HangUp):
            return False
        if decision.agent_end_ns is not None:
            self._mark("ear", "agent_end", decision.agent_end_ns)
        if isinstance(decision, Speak):
            if decision.over_agent:
                self._say_spoke_over(decision.cue_ns)
            self._next_turn(decision.cue_ns)
            return False
        self._status = decision.status
        if decision.status == "cue_missed":
            self._mark("user", "cue_missed", self._mouth.due_ns(self._mouth.next_k - 1))
        return True

    def _say_spoke_over(self, t_ns: int) -> None:
        waited_s = (t_ns - self._mouth.t0_ns) / NS_PER_S
        level = dbfs(self._ear.quietest_dbfs)
        mark = stamp("user", "spoke_over", t_ns=t_ns, turn=0, value=waited_s, text=level)
        self._marks.put(mark)

    def _next_turn(self, cue_ns: int) -> None:
        mouth = self._mouth
        self._turn += 1
        turn, *following = self._plan.turns[self._turn :]
        at_ns = cue_ns + int(turn.delay_ms * NS_PER_MS)
        placed = mouth.schedule(
            self._turn, turn.pcm, turn.u_on, turn.u_off, at_ns, on_grid=bool(turn.written)
        )
        self._asked = asked = Asked(
            turn,
            following[0] if following else None,
            start_ns=mouth.ns_of(placed.start),
            on_ns=mouth.ns_of(placed.u_on),
            off_ns=mouth.ns_of(placed.u_off),
            end_ns=mouth.ns_of(placed.end),
        )
        self._onset_marked = False
        self._turn_over_ns = asked.off_ns
        self._mark("user", "turn_start", asked.start_ns, value=placed.start)
        self._mark("user", "speech_on", asked.on_ns)
        self._mark("user", "speech_off", asked.off_ns)
        self._mark("user", "turn_end", asked.end_ns)
        if self._plan.sees_labels:
            line, later_ns = self._connection.line, self._connection.up_delay_ns
            on_ns, off_ns = asked.on_ns + later_ns, asked.off_ns + later_ns
            self._connection.send(line.labels(self._turn, on_ns, off_ns))

    def _mark(
        self,
        stage: Stage,
        event: EventName,
        t_ns: int,
        request_id: str = "",
        value: float | None = None,
        text: str | None = None,
    ) -> None:
        # A chunk's marks carry no turn: the analysis decides which turn it answers.
        turn = -1 if request_id else self._turn
        self._marks.put(
            stamp(stage, event, t_ns=t_ns, turn=turn, request_id=request_id, value=value, text=text)
        )

    def result(self, error: str | None = None) -> CallerResult:
        """Renders the two channels and the ear's marks, after the last sample.

        Args:
            error: Why the trial ended early, one sentence; None: it did not.
        """
        end_ns = self._mouth.due_ns(self._mouth.next_k - 1)
        if self._status == "hung_up":  # what had been sent by then is still heard
            end_ns = max(end_ns, self._ear.queue_end_ns)
        for chunk in self._ear.chunks:
            self._mark("ear", "heard", chunk.heard_ns, chunk.chunk_id, chunk.heard_samples)
        for t_ns, chunk_id, samples in self._ear.cleared:
            self._mark("ear", "cleared", t_ns, chunk_id, samples)
        spoken = ns_to_samples(end_ns - self._mouth.t0_ns, self._mouth.rate_hz)
        return CallerResult(
            status="error" if error else self._status,
            error=error,
            t0_ns=self._mouth.t0_ns,
            rate_hz=self._ear.rate_hz,
            marks=self._marks.marks,
            user=self._mouth.render(spoken),
            agent=self._ear.render(end_ns),
            chunks_sent=self._mouth.next_k,
            note=self._note(end_ns),
        )

    def _note(self, end_ns: int) -> str | None:
        """A sentence on a trial that did not go well, where its status does not say why."""
        if self._status == "cut_off" and (said := self._never_silent(end_ns)):
            return said
        if self._status in ENDED_WELL:
            return None
        remark = self._connection.remark()
        if not remark and self._plan.line.url and not self._received:
            return "the agent sent no audio"
        return remark or None

    def _never_silent(self, end_ns: int) -> str | None:
        """A sentence where the agent was audible all the time at the trial's end; else None."""
        start_ns, last_ns = self._ear.audible[-1] if self._ear.audible else (end_ns, 0)
        long_s = (end_ns - start_ns) / NS_PER_S
        if last_ns < end_ns - MERGE_NS or long_s < LONG_S:
            return None
        return (
            f"the agent was never silent in the last {long_s:.0f} s "
            f"({dbfs(self._ear.quietest_dbfs)} at its quietest); if that is ambience, it can't be "
            "told from speech"
        )
