"""A whole call in virtual time: a bot's file, run as an agent runs it, with the caller at the other
end.

Everything is the lab's own: the bot's session, the link, the observers, the caller's conversation,
the engines and the metrics. Only what lies between processes is replaced: the socket is a buffer,
and a model runs where it is asked. Time moves only where somebody waits, so that every delay of a
bot is exact and a call of ten seconds takes one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
from loguru import logger

from bench.agent import wire
from bench.agent.open_work import WatchedMarks
from bench.agent.process import Report, TrialOrder, _play
from bench.caller.call import _converse, marks_of
from bench.caller.connection import AgentGoneError, Connection, Direct
from bench.caller.conversation import Conversation
from bench.caller.mouth import CHUNK_MS
from bench.caller.network import NetworkConnection
from bench.caller.plan import CallerPlan
from bench.fixtures.labels import labels_of
from bench.fixtures.library import Fixture, fixtures_root, load
from bench.lines.line import Event, Line, Ready
from bench.lines.local import LocalLine
from bench.metrics.compute import trial_with_causes
from bench.runner.trial import Outcome, _error, caller_plan, stereo_of
from bench.store.recording import Stereo
from bench.store.records import CauseRow, MetricRow, Trial
from bench.timeline.lateness import with_lateness
from pipelines.bot import session
from pipelines.bot.preset import bot_spec
from pipelines.cascade import services
from pipelines.clock import NS_PER_MS, NS_PER_S, FakeClock
from pipelines.errors import LabError
from pipelines.link import observer, stage_marks, transport
from pipelines.marks import Mark
from pipelines.process import pool
from pipelines.registry import architecture, load_object
from pipelines.spec import PipelineSpec, parse_spec
from tests.bench.chains import inline_session
from tests.bench.chains.inline_models import InlineProcess
from tests.bench.chains.virtual_time import VirtualLoop, virtual_time

BOTS = Path(__file__).with_name("bots")
START_NS = 1_000 * NS_PER_S
"""Time at which a call begins."""
LOADED = (observer, stage_marks, transport, session, services)
"""What a call imports: here, while the clocks still go."""


@dataclass(frozen=True, slots=True)
class Called:
    """What is on disk after a trial, and its figures."""

    trial: Trial
    marks: list[Mark]
    rows: list[MetricRow]
    causes: list[CauseRow]
    recording: Stereo | None = None

    def row(self, metric: str, turn: int = 0) -> MetricRow:
        """A figure of a turn, with its reason."""
        return next(r for r in self.rows if r.metric == metric and r.turn == turn)

    def lost_ms(self, turn: int = 0) -> dict[str, float]:
        """What each known cause cost in a turn."""
        return {row.cause: row.lost_ms for row in self.causes if row.turn == turn}

    def ms(self, metric: str, turn: int = 0) -> float | None:
        """A figure's value where it is valid."""
        row = self.row(metric, turn)
        assert row.valid, f"{metric} is not valid: {row.reason}"
        return row.value

    def values(self, metric: str) -> list[float]:
        """All values of a figure."""
        return [r.value for r in self.rows if r.metric == metric and r.value is not None]

    def times(self, stage: str, event: str) -> list[int]:
        """Times of an event, in order, ns."""
        return sorted(m.t_ns for m in self.marks if (m.stage, m.event) == (stage, event))

    def since_end_ms(self, stage: str, event: str) -> list[float]:
        """Times of an event, counted from the user's end of the last turn."""
        off_ns = self.times("user", "speech_off")[-1]
        return [(t_ns - off_ns) / NS_PER_MS for t_ns in self.times(stage, event)]


def kitchen() -> Fixture:
    """The user's one sentence: go to the kitchen."""
    return load(fixtures_root() / "cmd_go_kitchen.toml")


def call(
    bot: str, fixture: Fixture | None = None, *, greets: bool = False, wait_s: float = 0.0
) -> Called:
    """Plays one trial with a bot of `BOTS`.

    Args:
        bot: The name of its file.
        fixture: The user's side; default: one command.
        greets: Whether the caller waits for a greeting.
        wait_s: As ``--wait-after-answer``.
    """
    spec = bot_spec(BOTS / f"{bot}.py")
    if not greets:
        lines = f"file = {json.dumps(f'{bot}.py')}\nfolder = {json.dumps(str(BOTS))}\n"
        spec = parse_spec(spec.name, f"[bot]\n{lines}greeting_s = 0\n")
    return call_preset(spec, fixture or kitchen(), wait_s)


def call_preset(
    spec: PipelineSpec, fixture: Fixture, wait_s: float = 0.0, *, streams: bool = False
) -> Called:
    """Plays one trial with any preset.

    Args:
        spec: The preset.
        fixture: The user's side.
        wait_s: As ``--wait-after-answer``.
        streams: Whether the recogniser gives partial transcripts while it hears.
    """
    plan = caller_plan("t", spec, fixture, wait_s)
    order = Trial(
        "run", "t", spec.name, fixture.name, 0, 0, 0, len(fixture.turns),
        weights=spec.weights, kind=spec.kind,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InlineProcess, "streams", streams)
        outcome = play(order, spec, plan)
    trial = with_lateness(outcome.trial, outcome.marks, outcome.recording)
    found = trial_with_causes(trial, outcome.marks, outcome.recording, labels_of(fixture))
    return Called(trial, outcome.marks, found.metrics, found.causes, outcome.recording)


def play(
    order: Trial,
    spec: PipelineSpec,
    plan: CallerPlan,
    caller: object = None,
    agent: object = None,
    scene: str | None = None,
    *_: object,
) -> Outcome:
    """In place of `bench.runner.trial.play`, with both processes inside.

    Args:
        order: The trial's row, as far as it is known before.
        spec: The preset.
        plan: The caller's side.
        caller: No use is made of it.
        agent: No use is made of it.
        scene: What the robot sees.
    """
    agents, callers = FakeClock(START_NS), FakeClock(START_NS)
    marks = WatchedMarks()
    row = replace(
        order,
        chunk_ms=CHUNK_MS,
        device_buffer_ms=float(spec.audio.device_buffer_ms),
        preroll_ms=float(spec.audio.preroll_ms),
        network=spec.network.label if spec.network else "",
        started_utc=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )
    with _inside(agents) as (loop, patch):
        patch.setenv("PIPECAT_SETUP_FILES", "")
        link = Link(loop, agents, callers)
        patch.setattr(wire.Wire, "connect", link.connect)
        agents_end = loop.create_task(_agent(spec, TrialOrder(order.trial_id, "", scene), marks))
        agents_end.add_done_callback(lambda _: link.wake.set())
        error: str | None = None
        try:
            rate_hz = link.wait_ready()
        except AgentGoneError as gone:
            error, rate_hz = str(gone), 0
        if error:
            trial_end = loop.run_until_complete(agents_end)
            return Outcome(replace(row, status="error", error=trial_end or error), [], None, 0)
        connection = _over_network(plan, link, callers)
        conversation = Conversation(plan, connection, rate_hz, callers)
        result = _converse(conversation, connection, lambda words: None)
        result.marks += marks_of(connection)
        fault = loop.run_until_complete(agents_end)
    report = Report("done", marks.marks, fault, getattr(fault, "excused_by", ()))
    failure = _error(result, report)
    every = sorted([*result.marks, *marks.marks], key=lambda mark: mark.t_ns)
    stereo = stereo_of(result, plan.in_rate_hz)
    trial = replace(
        row,
        status="error" if failure else result.status,
        error=failure,
        t0_ns=result.t0_ns,
        rate_hz=rate_hz,
        chunks_sent=result.chunks_sent,
        audio_s=len(stereo) / rate_hz if stereo is not None else row.audio_s,
    )
    return Outcome(trial, every, stereo, rate_hz)


def _over_network(plan: CallerPlan, link: Link, clock: FakeClock) -> Connection:
    """The link, with the plan's network before it."""
    if plan.network is None:
        return link
    of = (link.line, plan.network, plan.network_seed)
    return NetworkConnection(lambda line: link, *of, is_stream=False, clock=clock)


def prepared(spec: PipelineSpec, times: int) -> list[list[Mark]]:
    """The marks of loading a preset's models, and of each time that they are asked for again."""
    found, marks = [], WatchedMarks()

    async def prepare() -> None:
        async with pool.ModelPool(marks) as models:
            for _ in range(times):
                await load_object(architecture(spec.architecture).prepare)(spec, models)
                found.append(marks.drain())

    with _inside(FakeClock(START_NS)) as (loop, _):
        loop.run_until_complete(prepare())
    return found


_InferenceSession = onnxruntime.InferenceSession
_sessions: dict[str, Any] = {}


def _session(path: Any, *given: Any, **more: Any) -> Any:
    """In place of `onnxruntime.InferenceSession`, which keeps no state: a file is loaded once."""
    key = str(path)
    if key not in _sessions:
        _sessions[key] = _InferenceSession(path, *given, **more)
    return _sessions[key]


@contextlib.contextmanager
def _inside(clock: FakeClock) -> Iterator[tuple[VirtualLoop, pytest.MonkeyPatch]]:
    """Virtual time, with every model inside this process."""
    with pytest.MonkeyPatch.context() as patch, virtual_time(clock) as loop:
        patch.setattr(pool, "ModelProcess", InlineProcess)
        patch.setattr("bench.caller.call._no_gc", contextlib.nullcontext)  # nothing is late here
        patch.setattr(onnxruntime, "InferenceSession", _session)
        inline_session.patched(patch)
        logger.disable("pipecat")  # as in an agent's process
        try:
            yield loop, patch
        finally:
            logger.enable("pipecat")


async def _agent(spec: PipelineSpec, order: TrialOrder, marks: WatchedMarks) -> str | None:
    """The agent's side of a trial, as its process plays it."""
    async with pool.ModelPool(marks) as models:
        try:
            return await _play(spec, order, models, marks)
        except LabError as error:
            return str(error)


class Link(Direct):
    """Both ends of the line between caller and agent.

    The caller has a clock of its own: an agent that blocks its loop is late, the caller is not.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, agents: FakeClock, callers: FakeClock
    ) -> None:
        self.line: Line = LocalLine()
        self.wake = asyncio.Event()
        self._loop, self._agents, self._callers = loop, agents, callers
        self._reader = asyncio.StreamReader(loop=loop)
        self._arriving: deque[tuple[int, bytes]] = deque()
        self._closed = False

    async def connect(self, path: str, marks: Any) -> wire.Wire:
        """In place of `Wire.connect`."""
        return wire.Wire(self._reader, self, marks)  # type: ignore[arg-type]

    # the agent's end

    def write(self, data: bytes) -> None:
        """As `asyncio.StreamWriter.write`."""
        self._arriving.append((self._agents(), data))
        self.wake.set()

    def is_closing(self) -> bool:
        """As of `asyncio.StreamWriter`."""
        return self._closed

    def close(self) -> None:
        """As of `asyncio.StreamWriter`."""
        self._closed = True
        self.wake.set()

    async def wait_closed(self) -> None:
        """As of `asyncio.StreamWriter`."""

    # the caller's end

    def send(self, data: bytes) -> None:
        """See `bench.caller.connection.Connection.send`."""
        self._reader.feed_data(data)

    def listen(self, until_ns: int) -> tuple[list[Event], int]:
        """See `bench.caller.connection.Connection.listen`."""
        if not self._arriving and not self._closed and self._agents() < until_ns:
            self._loop.run_until_complete(self._run(until_ns))
        if self._arriving and self._arriving[0][0] <= until_ns:
            at_ns, data = self._arriving.popleft()
            self._callers.t_ns = max(at_ns, self._callers())
            return self.line.feed(data), at_ns
        if self._closed and not self._arriving and self._agents() <= until_ns:
            raise AgentGoneError("the agent closed its connection in mid-trial")
        self._callers.t_ns = max(until_ns, self._callers())
        return [], self._callers()

    async def _run(self, until_ns: int) -> None:
        self.wake.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout((until_ns - self._agents()) / NS_PER_S):
                await self.wake.wait()

    def wait_ready(self) -> int:
        """The agent's output rate, once it listens."""
        while True:
            events, _ = self.listen(self._callers() + 30 * NS_PER_S)
            for event in events:
                if isinstance(event, Ready):
                    return event.rate_hz
            if not events:
                raise AgentGoneError("the agent was not ready")

    def hang_up(self) -> None:
        """See `bench.caller.connection.SocketConnection.hang_up`."""
        self._reader.feed_data(self.line.bye())
        self._reader.feed_eof()
