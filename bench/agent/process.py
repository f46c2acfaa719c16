"""The agent under test, in its own process: builds the preset's pipeline for each trial.

Models stay warm across trials; marks stream back to the run's process in batches. An error is a
sentence on that trial, never the end of the run.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import multiprocessing as mp
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Literal

from bench.agent.open_work import WatchedMarks
from pipelines.errors import LabError
from pipelines.heap import give_back
from pipelines.marks import Mark, MarkList
from pipelines.process.family import end_family, family
from pipelines.secrets import redact
from pipelines.spec import PipelineSpec

if TYPE_CHECKING:
    from pipecat.pipeline.pipeline import Pipeline

    from bench.agent.wire import Wire
    from pipelines.host import Host
    from pipelines.process.pool import ModelPool

MARKS_EVERY_S = 0.2
"""Interval at which marks are sent to the run's process."""
STOP_TIMEOUT_S = 5.0
NEEDED = (
    "pipecat.pipeline.worker",
    "pipecat.workers.runner",
    "pipelines.host",
    "pipelines.link.observer",
    "pipelines.link.stage_marks",
    "pipelines.link.transport",
)
"""Modules that every trial needs and a process imports once, all of Pipecat's with them."""


@dataclass(frozen=True, slots=True)
class TrialOrder:
    """run → agent: one trial to play."""

    trial_id: str
    socket_path: str
    scene: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    taps: tuple[str, ...] = ()
    """``module:function`` of observers beside the pipeline: async context managers of a `Host`."""


@dataclass(frozen=True, slots=True)
class Report:
    """agent → run: marks, and at the end of a piece of work its outcome."""

    kind: Literal["marks", "prepared", "done"]
    marks: list[Mark] = field(default_factory=list)
    error: str | None = None
    excused_by: tuple[str, ...] = ()
    """Statuses of the caller's with which ``error`` is no fault: the agent hung up itself, or its
    pipeline went on, and the caller had its answers."""


class AgentProcess:
    """The run's handle on one agent process; one per preset.

    Args:
        spec: The preset that it plays.
    """

    def __init__(self, spec: PipelineSpec) -> None:
        self.spec = spec
        context = mp.get_context("spawn")
        self.connection, child = context.Pipe()
        self._process = context.Process(
            target=_main, args=(spec, child), name=f"duplex-lab agent {spec.name}", daemon=True
        )
        with family() as self._family:
            self._process.start()
        child.close()
        self.cold_start: list[Mark] = []
        """Marks of loading, until a trial takes them."""

    @property
    def pid(self) -> int:
        """The agent's process id."""
        return self._process.pid or 0

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.is_alive()

    def ask(self, order: TrialOrder | str) -> None:
        """Sends a trial, ``start`` (imports what every trial needs), ``prepare`` or ``stop``.

        Raises:
            LabError: the process is gone.
        """
        try:
            self.connection.send(order)
        except (BrokenPipeError, OSError):
            raise LabError(self.death()) from None

    def receive(self) -> Report:
        """The next report; a dead process reports how it died."""
        try:
            report: Report = self.connection.recv()
        except (EOFError, OSError):
            return Report("done", error=self.death())
        return report

    def wait(self, timeout_s: float) -> Report:
        """Collects marks until the work is done, the process dies, or time is over."""
        marks: list[Mark] = []
        end_s = time.monotonic() + timeout_s
        while self.connection.poll(max(0.0, end_s - time.monotonic())):
            report = self.receive()
            marks += report.marks
            if report.kind != "marks":
                return Report(report.kind, marks, report.error, report.excused_by)
        return Report("done", marks, f"the agent did not finish in {timeout_s:.0f} s")

    def death(self) -> str:
        """One sentence on how the process ended."""
        self._process.join(1.0)
        code = self._process.exitcode
        if code is not None and code < 0:
            return f"the agent process was killed by signal {-code} ({signal.Signals(-code).name})"
        return f"the agent process ended with exit code {code}"

    def ask_to_stop(self) -> None:
        """Asks the process to end once it is idle; `stop` waits for it."""
        with contextlib.suppress(OSError):
            self.connection.send("stop")

    def stop(self, grace_s: float = STOP_TIMEOUT_S) -> None:
        """Ends the process, its models, and whatever a bot has left behind.

        Args:
            grace_s: Who takes longer is killed.
        """
        self.ask_to_stop()
        self._process.join(grace_s)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self.connection.close()
        end_family(self._family)


def _main(spec: PipelineSpec, connection: Connection) -> None:
    """The child's entry: quiet, ignores Ctrl-C and SIGHUP (the run decides), one asyncio loop."""
    for signum in (signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    os.environ["HF_HUB_OFFLINE"] = "1"  # no service downloads in a trial: see pipelines.models
    _quiet_logs()
    asyncio.run(_serve(spec, connection))


class _Nowhere:
    """A stream that keeps nothing."""

    def write(self, _: str) -> None:
        """Takes a text."""


def _quiet_logs() -> None:
    """Sends the log nowhere, but leaves Loguru's first sink: bots remove it, by its number 0."""
    before = os.environ.get("LOGURU_LEVEL")
    os.environ["LOGURU_LEVEL"] = "CRITICAL"  # of that sink: what it ignores costs nothing
    with contextlib.redirect_stderr(_Nowhere()):  # type: ignore[type-var]
        from loguru import logger
    del os.environ["LOGURU_LEVEL"]
    if before is not None:
        os.environ["LOGURU_LEVEL"] = before

    level = os.environ.get("DUPLEX_LAB_AGENT_LOG", "")
    if level:
        logger.add(_log, level=level.upper())
    logging.getLogger().setLevel(logging.ERROR)


def _log(line: str) -> None:
    sys.stderr.write(redact(line))


async def _serve(spec: PipelineSpec, connection: Connection) -> None:
    from pipelines.process.pool import ModelPool
    from pipelines.registry import architecture, load_object

    marks = WatchedMarks()
    loop = asyncio.get_running_loop()
    orders: asyncio.Queue[TrialOrder | str] = asyncio.Queue()

    def read() -> None:
        try:
            orders.put_nowait(connection.recv())
        except (EOFError, OSError):
            loop.remove_reader(connection.fileno())
            orders.put_nowait("stop")

    loop.add_reader(connection.fileno(), read)
    async with ModelPool(marks) as models:
        while (order := await orders.get()) != "stop":
            streamer = asyncio.create_task(_stream_marks(marks, connection))
            error: str | None = None
            try:
                if order == "start":
                    _import()
                elif order == "prepare":
                    if path := architecture(spec.architecture).prepare:
                        await load_object(path)(spec, models)
                elif isinstance(order, TrialOrder):
                    error = await _play(spec, order, models, marks)
            except LabError as failure:
                error = str(failure)
            except Exception as failure:  # whatever error a pipeline under test may raise
                frame = traceback.extract_tb(failure.__traceback__)[-1]
                error = f"{type(failure).__name__}: {failure} ({frame.name}, line {frame.lineno})"
            finally:
                streamer.cancel()
            # What was cancelled must end before the marks are gathered; a model that does not is
            # the fault of this piece of work, not of the next.
            unsettled = await models.settle()
            error = error or next(iter(unsettled), None)
            kind: Literal["prepared", "done"] = (
                "done" if isinstance(order, TrialOrder) else "prepared"
            )
            give_back()
            excused_by = getattr(error, "excused_by", ())
            report = Report(kind, _without_secrets(marks), error and redact(error), excused_by)
            connection.send(report)


def _import() -> None:
    """Imports what every trial needs, some 2 s of work: several agents may do so at a time."""
    for name in NEEDED:
        importlib.import_module(name)


async def _stream_marks(marks: MarkList, connection: Connection) -> None:
    while True:
        await asyncio.sleep(MARKS_EVERY_S)
        if marks.marks:
            connection.send(Report("marks", _without_secrets(marks)))


def _without_secrets(marks: MarkList) -> list[Mark]:
    """The marks held so far; a service's error may contain its key."""
    return [
        replace(m, text=redact(m.text)) if m.event == "error" and m.text else m
        for m in marks.drain()
    ]


async def _play(
    spec: PipelineSpec, order: TrialOrder, models: ModelPool, marks: WatchedMarks
) -> str | None:
    """Plays one trial; returns the error, or None."""
    from bench.agent.loop_watch import LoopWatch
    from bench.agent.wire import Wire
    from pipelines.host import Host, LabelFeed
    from pipelines.link.transport import LinkTransport
    from pipelines.registry import architecture, load_object

    # Models first: damage by a crash of the last trial is repaired before time counts.
    how = architecture(spec.architecture)
    if how.prepare:
        await load_object(how.prepare)(spec, models)
    wire = await Wire.connect(order.socket_path, marks)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(wire.close)
        await stack.enter_async_context(LoopWatch(marks))
        marks.report_to(_on_loop(wire.tell_work))
        wire.labels = LabelFeed() if spec.sees_labels else None
        errors: list[str] = []
        survived: list[str] = []
        taps: list[Any] = []
        host = Host(
            spec,
            LinkTransport(wire, spec.audio),
            marks,
            models,
            scene=order.scene,
            labels=wire.labels,
            trial_id=order.trial_id,
            extra=order.extra,
            closed=wire.closed,
            open_transport=lambda params: LinkTransport(wire, spec.audio, params),
            watch=lambda worker: _watch_guest(worker, wire, errors, survived, marks, taps),
        )
        if how.converse:
            await _enter_taps(stack, order, host, taps)
            fault: str | None = await load_object(how.converse)(host)
            return fault or next(iter(errors), None) or next(iter(survived), None)
        pipeline = await load_object(how.build)(host)
        await _enter_taps(stack, order, host, taps)
        await _run_pipeline(pipeline, spec, wire, errors, marks, taps)
        return errors[0] if errors else None


def _on_loop(tell: Callable[[int], None]) -> Callable[[int], None]:
    """Marks may be taken on other threads; the socket belongs to the loop's."""
    loop = asyncio.get_running_loop()

    def report(open_requests: int) -> None:
        loop.call_soon_threadsafe(tell, open_requests)

    return report


async def _enter_taps(
    stack: contextlib.AsyncExitStack, order: TrialOrder, host: Host, taps: list[Any]
) -> None:
    from pipelines.registry import load_object

    taps += [await stack.enter_async_context(load_object(path)(host)) for path in order.taps]


async def _run_pipeline(
    pipeline: Pipeline,
    spec: PipelineSpec,
    wire: Wire,
    errors: list[str],
    marks: MarkList,
    taps: Sequence[Any],
) -> None:
    """Runs a pipeline of ours until the caller hangs up."""
    from pipecat.pipeline.worker import PipelineParams, PipelineWorker
    from pipecat.workers.runner import WorkerRunner

    from pipelines.link.observer import MarkObserver, RawMonotonicClock
    from pipelines.link.stage_marks import StageObserver
    from pipelines.registry import architecture

    own = architecture(spec.architecture).stamps
    observer = MarkObserver(marks) if own else StageObserver(marks)
    worker = PipelineWorker(
        pipeline,
        params=PipelineParams(
            audio_in_sample_rate=spec.audio.in_rate_hz,
            audio_out_sample_rate=spec.audio.out_rate_hz,
            enable_metrics=True,
            enable_usage_metrics=True,
        ),
        observers=[observer, *taps],
        clock=RawMonotonicClock(),
        enable_rtvi=False,
        idle_timeout_secs=None,
    )
    _take_errors(worker, wire, errors)
    runner = WorkerRunner(handle_sigint=False, handle_sigterm=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    closed = asyncio.create_task(wire.closed.wait())
    await asyncio.wait({running, closed}, return_when=asyncio.FIRST_COMPLETED)
    closed.cancel()
    await runner.cancel()
    await running


def _watch_guest(
    worker: Any,
    wire: Wire,
    errors: list[str],
    survived: list[str],
    marks: MarkList,
    taps: Sequence[Any],
) -> None:
    """Observers for a worker made by other code, whose stages stamp nothing themselves."""
    from pipelines.link.stage_marks import StageObserver

    for observer in (StageObserver(marks), *taps):
        worker.add_observer(observer)
    _take_errors(worker, wire, errors, survived)


def _take_errors(
    worker: Any, wire: Wire, errors: list[str], survived: list[str] | None = None
) -> None:
    """An error in the pipeline ends the trial.

    Args:
        worker: It runs the pipeline.
        wire: Its way to the caller.
        errors: Takes what ended the trial.
        survived: Takes the errors after which others' pipelines go on, as Pipecat lets them; None
            for pipelines of ours, which all errors end.
    """
    from pipelines.host import Survived

    async def on_error(_worker: object, frame: Any) -> None:
        if wire.closed.is_set():  # errors during our own teardown are not the trial's
            return
        processor = frame.processor
        usable = processor is None or getattr(processor, "is_usable", True)
        if survived is not None and usable and not frame.fatal:
            survived.append(Survived(frame.error))
            return
        errors.append(str(frame.error))
        wire.closed.set()

    worker.add_event_handler("on_pipeline_error", on_error)
