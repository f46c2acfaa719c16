"""The caller: one trial of the person, in a process of its own that does nothing else meanwhile.

The mouth sends what is due, the ear notes what arrives; one loop, one thread, absolute deadlines.
Everything costly (resampling, writing the recording) waits until the trial is over.
"""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import select
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench.caller.ear import Ear
from bench.caller.mouth import CHUNK_MS, Mouth, Spoken
from bench.fixtures.fixture import CueEvent
from bench.lines.local import Decoder, Kind, Message, WireError, encode
from bench.store.records import Status
from pipelines.clock import NS_PER_MS, NS_PER_S, ns_to_samples
from pipelines.marks import EventName, Mark, MarkList, Stage, stamp

START_DELAY_NS = 300 * NS_PER_MS
"""From the agent's READY to t0: lets a pipeline that has just started come to rest."""
SILENCE_AFTER_AGENT_S = 1.5
"""A trial ends this long after the agent fell silent."""
REPLY_GAP_NS = 800 * NS_PER_MS
"""Agent silence after which a new sound is a new reply, as in `bench.timeline.answers`."""
CONNECT_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class CallerTurn:
    """What the caller needs to know of one turn."""

    pcm: npt.NDArray[np.int16]  # (n,) at the fixture's rate
    u_on: int
    """First audible sample."""
    u_off: int
    """Sample after the last audible one."""
    after: CueEvent
    """What it waits for."""
    delay_ms: float
    """From the cue to the turn's first sample."""
    timeout_s: float
    """How long to wait for an answer (or for the cue)."""
    expects_answer: bool = True
    """False: a good agent stays silent, and silence is no failure."""


@dataclass(frozen=True, slots=True)
class CallerPlan:
    """One trial, as the caller sees it."""

    trial_id: str
    in_rate_hz: int
    turns: tuple[CallerTurn, ...]
    limit_s: float
    """The longest the trial may take."""
    sees_labels: bool = False
    """Scripted presets only: each turn's u_on and u_off are sent to the agent."""
    listens: bool = True
    """False: the trial ends `SILENCE_AFTER_AGENT_S` after the last turn, whatever is heard. For
    models that babble for ever, whose answers mean nothing."""
    preroll_ms: float = 0.0
    """B of the ear's jitter buffer."""
    stretch: bool = False
    """Whether the ear stretches audio while its queue is short."""
    greeting_s: float = 0.0
    """How long the caller waits for an agent that may speak first; 0: it is not waited for."""


@dataclass(slots=True)
class CallerResult:
    """What the caller brings back from one trial."""

    status: Status
    """``cut_off``: the limit was reached. ``ruler_late`` is found afterwards."""
    error: str | None
    t0_ns: int
    rate_hz: int
    """Of the recording: the agent's output rate; 0 where the agent never came."""
    marks: list[Mark] = field(default_factory=list)
    user: npt.NDArray[np.int16] | None = None  # (n,) at in_rate_hz
    agent: npt.NDArray[np.int16] | None = None  # (m,) at rate_hz
    chunks_sent: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0
    rss_peak_mb: float = 0.0


def raise_priority() -> str:
    """Asks for the highest priority that the system allows this process.

    Returns:
        What was got: ``fifo``, ``nice -15`` … or ``normal``.
    """
    if hasattr(os, "sched_setscheduler"):
        with contextlib.suppress(OSError, PermissionError):
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
            return "fifo"
    for nice in (-15, -5):
        with contextlib.suppress(OSError, PermissionError):
            return f"nice {os.nice(nice)}"
    return "normal"


class AgentGoneError(Exception):
    """The other end closed the socket in mid-trial."""


class _Trial:
    """The state of one trial's loop."""

    def __init__(self, plan: CallerPlan, connection: socket.socket) -> None:
        self.plan = plan
        self.connection = connection
        self.decoder = Decoder()
        self.unsent = bytearray()
        """What the socket has not taken yet: a stalled agent is measured, not given up."""
        self.marks = MarkList()
        self.status: Status = "ok"
        self.turn = -1
        self.current: Spoken | None = None
        self.asked_ns: int | None = None
        """When the waiting for the present turn's answer began to count (its u_off)."""
        self.onset_marked = False
        self.mouth: Mouth
        self.ear: Ear

    def wait_ready(self) -> int:
        """Waits for the agent's READY; returns its output rate in Hz."""
        deadline = time.monotonic() + CONNECT_TIMEOUT_S
        while True:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.connection], [], [], left)[0]:
                raise AgentGoneError(f"the agent was not ready within {CONNECT_TIMEOUT_S:.0f} s")
            for message in self._receive()[0]:
                if message.kind is Kind.READY:
                    return message.a

    def run(self, rate_hz: int) -> None:
        """Speaks and listens until the trial is over."""
        t0_ns = time.monotonic_ns() + START_DELAY_NS
        self.mouth = Mouth(self.plan.in_rate_hz, t0_ns)
        self.ear = Ear(rate_hz, t0_ns, self.plan.preroll_ms, stretch=self.plan.stretch)
        limit_ns = t0_ns + int(self.plan.limit_s * NS_PER_S)
        greeted_by_ns = t0_ns + int(self.plan.greeting_s * NS_PER_S)
        if not self.plan.greeting_s:
            self._next_turn(t0_ns)
        while True:
            due_ns = self.mouth.due_ns(self.mouth.next_k)
            wait_ns = due_ns - time.monotonic_ns()
            if wait_ns > 0:
                self._listen(wait_ns / NS_PER_S)
                continue
            self._speak(due_ns)
            if self.turn < 0:
                self._greeted(due_ns, greeted_by_ns)
            elif self._over(due_ns):
                return
            if due_ns > limit_ns:
                self.status = "cut_off"
                return

    def _listen(self, timeout_s: float) -> None:
        blocked = [self.connection] if self.unsent else []
        readable, writable, _ = select.select([self.connection], blocked, [], timeout_s)
        if readable:
            messages, arrival_ns = self._receive()
            for message in messages:
                self._hear(message, arrival_ns)
        if writable:
            self._flush()

    def _receive(self) -> tuple[list[Message], int]:
        try:
            data = self.connection.recv(1 << 16)
        except (BlockingIOError, InterruptedError):
            return [], time.monotonic_ns()
        except OSError as error:
            raise AgentGoneError(f"the agent's connection broke: {error}") from None
        arrival_ns = time.monotonic_ns()
        if not data:
            raise AgentGoneError("the agent closed its connection in mid-trial")
        return list(self.decoder.feed(data)), arrival_ns

    def _speak(self, due_ns: int) -> None:
        k = self.mouth.next_k
        message = Message(Kind.AUDIO_IN, seq=k, a=due_ns, payload=self.mouth.chunk(k).tobytes())
        self._send(message)
        self.marks.put(stamp("user", "chunk_sent", turn=self.turn, value=k))
        self.mouth.next_k = k + 1

    def _send(self, message: Message) -> None:
        self.unsent += encode(message)
        self._flush()

    def _flush(self) -> None:
        try:
            while self.unsent:
                del self.unsent[: self.connection.send(self.unsent)]
        except BlockingIOError:
            return
        except OSError as error:
            raise AgentGoneError(f"the agent's connection broke: {error}") from None

    def _hear(self, message: Message, arrival_ns: int) -> None:
        if message.kind is Kind.AUDIO_OUT:
            if len(message.payload) % 2:
                raise WireError("the agent sent half a sample")
            pcm = np.frombuffer(message.payload, np.int16)
            self.ear.receive(message.chunk_id, message.generation, pcm, arrival_ns)
            self._mark("ear", "received", arrival_ns, message.chunk_id, len(pcm))
        elif message.kind is Kind.CLEAR:
            self.ear.clear(message.generation, arrival_ns)
        elif message.kind is Kind.BYE:
            raise AgentGoneError("the agent ended the conversation")

    def _mark(
        self,
        stage: Stage,
        event: EventName,
        t_ns: int,
        request_id: str = "",
        value: float | None = None,
    ) -> None:
        # A chunk's marks carry no turn: which turn it answers is the analysis's question.
        turn = -1 if request_id else self.turn
        self.marks.put(
            stamp(stage, event, t_ns=t_ns, turn=turn, request_id=request_id, value=value)
        )

    def _next_turn(self, cue_ns: int) -> None:
        self.turn += 1
        turn = self.plan.turns[self.turn]
        at_ns = cue_ns + int(turn.delay_ms * NS_PER_MS)
        placed = self.mouth.schedule(self.turn, turn.pcm, turn.u_on, turn.u_off, at_ns)
        self.current, self.onset_marked = placed, False
        on_ns, off_ns = self.mouth.ns_of(placed.u_on), self.mouth.ns_of(placed.u_off)
        self.asked_ns = off_ns
        self._mark("user", "turn_start", self.mouth.ns_of(placed.start), value=placed.start)
        self._mark("user", "speech_on", on_ns)
        self._mark("user", "speech_off", off_ns)
        self._mark("user", "turn_end", self.mouth.ns_of(placed.end))
        if self.plan.sees_labels:
            self._send(Message(Kind.LABELS, seq=self.turn, a=on_ns, b=off_ns))

    def _greeted(self, now_ns: int, by_ns: int) -> None:
        """Begins the first turn when the agent's greeting is over, or none has come in time.

        A greeting's sentences may lie apart, so it is over after the silence that ends a trial.
        """
        spans = self.ear.audible_since(self.mouth.t0_ns, now_ns)
        quiet_ns = max((end for _, end in spans), default=None)
        if quiet_ns is None:
            if now_ns >= by_ns:
                self._next_turn(now_ns)
        elif now_ns >= quiet_ns + int(SILENCE_AFTER_AGENT_S * NS_PER_S):
            self._next_turn(now_ns)

    def _over(self, now_ns: int) -> bool:
        """Moves on to the next turn where its cue has come; True when the trial is over."""
        assert self.current is not None and self.asked_ns is not None
        spoken = self.plan.turns[self.turn]
        spans = self.ear.audible_since(self.mouth.ns_of(self.current.start), now_ns)
        answers = [s for s in spans if s[0] >= self.asked_ns]
        if answers and not self.onset_marked:
            self._mark("ear", "agent_onset", answers[0][0])
            self.onset_marked = True
        last = self.turn + 1 == len(self.plan.turns)
        turn = None if last else self.plan.turns[self.turn + 1]
        timed_out = now_ns > self.asked_ns + int(spoken.timeout_s * NS_PER_S)
        if turn is not None and turn.after in ("agent_onset", "agent_end"):
            return self._cue(turn, spans, now_ns, timed_out)
        if turn is not None:  # previous_end
            end_ns = self.mouth.ns_of(self.current.end)
            if now_ns >= end_ns - NS_PER_S // 10:
                self._next_turn(end_ns)
            return False
        if not self.plan.listens:
            over_ns = self.mouth.ns_of(self.current.end)
            return now_ns >= over_ns + int(SILENCE_AFTER_AGENT_S * NS_PER_S)
        # A sound that began before the user had ended may be all that comes, or a false start:
        # only time tells, so nothing but an onset after u_off ends the trial early.
        if answers or (timed_out and any(end > self.asked_ns for _, end in spans)):
            silent_ns = max(e for _, e in spans)
            if now_ns < silent_ns + int(SILENCE_AFTER_AGENT_S * NS_PER_S):
                return False
            self._mark("ear", "agent_end", silent_ns)
            return True
        if timed_out and spoken.expects_answer:
            self.status = "no_answer"
        return timed_out

    def _cue(
        self, turn: CallerTurn, spans: list[tuple[int, int]], now_ns: int, timed_out: bool
    ) -> bool:
        assert self.current is not None and self.asked_ns is not None
        if turn.after == "agent_onset":
            begun = self._answer_onset(spans)
            if begun is not None:
                self._next_turn(begun)
                return False
        else:
            answered = any(s >= self.asked_ns for s, _ in spans)
            silent_ns = max((e for _, e in spans if e > self.asked_ns), default=None)
            # Ask one chunk early: the wanted sample is then still unsent, and is hit exactly.
            early_ns = now_ns + CHUNK_MS * NS_PER_MS
            quiet = silent_ns is not None and early_ns >= silent_ns + turn.delay_ms * NS_PER_MS
            if silent_ns is not None and quiet and (answered or timed_out):
                self._mark("ear", "agent_end", silent_ns)
                self._next_turn(silent_ns)
                return False
            timed_out = timed_out and silent_ns is None
            if timed_out and not self.plan.turns[self.turn].expects_answer:
                # It fell silent during what wants no answer, and said nothing more: go on.
                self._next_turn(now_ns)
                return False
        if timed_out:
            self.status = "cue_missed"
            self._mark("user", "cue_missed", now_ns)
        return timed_out

    def _answer_onset(self, spans: list[tuple[int, int]]) -> int | None:
        """When the agent began to answer the present turn; None while it has not.

        Where the user broke into a reply, that reply's next sentence is no answer: an answer then
        begins after the user has ended.
        """
        assert self.current is not None and self.asked_ns is not None
        on_ns = self.mouth.ns_of(self.current.u_on)
        before = self.ear.audible_since(on_ns - REPLY_GAP_NS, on_ns)
        since = self.asked_ns if before else on_ns
        return next((start for start, _ in spans if start >= since), None)

    def result(self, error: str | None, wall_s: float, cpu_s: float) -> CallerResult:
        """Renders the two channels and the ear's marks, after the last sample."""
        if not hasattr(self, "ear"):
            return CallerResult("error", error, 0, 0, self.marks.marks)
        end_ns = self.mouth.due_ns(self.mouth.next_k - 1)
        for chunk in self.ear.chunks:
            self._mark("ear", "heard", chunk.heard_ns, chunk.chunk_id, chunk.heard_samples)
        for t_ns, chunk_id, samples in self.ear.cleared:
            self._mark("ear", "cleared", t_ns, chunk_id, samples)
        return CallerResult(
            status="error" if error else self.status,
            error=error,
            t0_ns=self.mouth.t0_ns,
            rate_hz=self.ear.rate_hz,
            marks=self.marks.marks,
            user=self.mouth.render(ns_to_samples(end_ns - self.mouth.t0_ns, self.mouth.rate_hz)),
            agent=self.ear.render(end_ns),
            chunks_sent=self.mouth.next_k,
            wall_s=wall_s,
            cpu_s=cpu_s,
            rss_peak_mb=_peak_rss_mb(),
        )


def _peak_rss_mb() -> float:
    """The most memory that this process has held, in MB."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not ru_maxrss, which begins with what the parent held when it started this process.
        lines = status.read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


@contextlib.contextmanager
def _no_gc() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def call(plan: CallerPlan, listener: socket.socket, tell: Callable[[str], None]) -> CallerResult:
    """Runs one trial: waits for the agent to connect to ``listener``, then talks to it.

    Args:
        plan: The trial.
        listener: Where the agent will connect.
        tell: Told ``ready`` when the agent is, and ``over`` just before the caller hangs up:
            what the agent's processes used in between is the conversation's cost.
    """
    listener.settimeout(CONNECT_TIMEOUT_S)
    try:
        connection, _ = listener.accept()
    except TimeoutError:
        sentence = f"the agent did not connect within {CONNECT_TIMEOUT_S:.0f} s"
        return CallerResult("error", sentence, 0, 0)
    with connection:
        connection.setblocking(False)
        trial = _Trial(plan, connection)
        error: str | None = None
        began_s, cpu_s = time.monotonic(), time.process_time()
        try:
            rate_hz = trial.wait_ready()
            tell("ready")
            began_s, cpu_s = time.monotonic(), time.process_time()
            with _no_gc():
                trial.run(rate_hz)
            tell("over")
            with contextlib.suppress(OSError):
                connection.sendall(encode(Message(Kind.BYE)))
        except (AgentGoneError, WireError) as gone:
            error = str(gone)
        return trial.result(error, time.monotonic() - began_s, time.process_time() - cpu_s)


def listen(path: str) -> socket.socket:
    """Opens the caller's end of the wire at ``path``."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(1)
    return listener
