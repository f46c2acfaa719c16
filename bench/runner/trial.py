"""One trial: one preset on one fixture, once. Brings caller and agent together, gathers the
results.

Nothing is computed here beyond the costs of processes: a trial is its raw marks, its recording and
its row.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from multiprocessing.connection import wait
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil

from bench.agent.pool import Agent
from bench.agent.process import Report, TrialOrder
from bench.agent.remote import in_rate_hz, line_of
from bench.caller.mouth import CHUNK_MS
from bench.caller.plan import (
    LONGEST_GREETING_S,
    SILENCE_AFTER_AGENT_S,
    CallerPlan,
    CallerResult,
    CallerTurn,
)
from bench.caller.process import CallerProcess
from bench.fixtures.library import Fixture, Turn, read_pcm
from bench.lines.line import LOCAL
from bench.store.records import Trial
from pipelines.audio.resample import resample
from pipelines.errors import LabError
from pipelines.marks import Mark
from pipelines.spec import PipelineSpec

TURN_LIMIT_S = 30.0
"""Longest time of a trial for each turn, s (longer where a turn's own timeout says so)."""
AGENT_GRACE_S = 15.0
"""Longest time for the agent to end its pipeline after the caller hung up, s."""
SAMPLE_RSS_S = 0.5


@dataclass(frozen=True, slots=True)
class Outcome:
    """The results of a trial."""

    trial: Trial
    marks: list[Mark]
    recording: npt.NDArray[np.int16] | None  # (n, 2)
    rate_hz: int


class TreeMeter:
    """CPU and memory of a process and all its descendants, between `start` and `stop`."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._started: dict[int, float] | None = None
        self.cpu_s: float | None = None
        """CPU time between start and stop; None where a process vanished meanwhile."""
        self.peak_mb: float | None = None
        """Largest sum of resident memory that was sampled."""

    def start(self) -> None:
        """Begins to count."""
        self._started = self._cpu_by_pid()
        self.sample()

    def stop(self) -> None:
        """Ends the count."""
        self.sample()
        now = self._cpu_by_pid()
        if self._started and self._started.keys() <= now.keys():
            self.cpu_s = sum(now.values()) - sum(self._started.values())

    def sample(self) -> None:
        """Records the memory that the tree holds now."""
        total = 0
        for process in self._tree():
            with contextlib.suppress(psutil.Error):
                total += process.memory_info().rss
        if total:
            self.peak_mb = max(self.peak_mb or 0.0, total / 2**20)

    def _tree(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.Error):
            root = psutil.Process(self._pid)
            return [root, *root.children(recursive=True)]
        return []

    def _cpu_by_pid(self) -> dict[int, float]:
        found = {}
        for process in self._tree():
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                found[process.pid] = times.user + times.system
        return found


def caller_plan(
    trial_id: str,
    spec: PipelineSpec,
    fixture: Fixture,
    wait_s: float = 0.0,
    silence_s: float = SILENCE_AFTER_AGENT_S,
) -> CallerPlan:
    """The caller's side of a trial; reads the fixture's audio, and resamples it to the preset's
    rate.

    To a model that babbles the user speaks on a schedule: waiting for it to begin or to end would
    measure nothing, and might never end.

    Args:
        trial_id: Of the trial.
        spec: The preset.
        fixture: The user's side.
        wait_s: Least silence of the agent after which its answer is taken to be over.
        silence_s: The usual one, which holds where neither ``wait_s`` nor the fixture asks for
            more.
    """
    listens = not spec.babbles
    is_remote = spec.architecture == "remote"
    rate_hz = in_rate_hz(spec) if is_remote else spec.audio.in_rate_hz
    turns = tuple(
        CallerTurn(
            pcm=_pcm(turn, rate_hz),
            u_on=turn.u_on_sample * rate_hz // turn.rate_hz,
            u_off=(turn.u_off_sample + 1) * rate_hz // turn.rate_hz,
            after=turn.cue.after if listens or turn.cue.after == "start" else "previous_end",
            delay_ms=turn.cue.delay_ms,
            timeout_s=turn.timeout_s,
            wait_s=max(turn.wait_s, wait_s, silence_s),
            expects_answer=turn.expect.respond and listens,
            goes_on=turn.cue.unanswered == "go_on",
            written=turn.text if turn.written else "",
        )
        for turn in fixture.turns
    )
    limit_s = sum(max(TURN_LIMIT_S, t.timeout_s + TURN_LIMIT_S / 2) + t.wait_s for t in turns)
    # Only an agent written by others may speak first, and its options say so.
    greeting_s = max((getattr(o, "greeting_s", 0.0) for o in spec.stages.values()), default=0.0)
    if greeting_s:
        limit_s += greeting_s + LONGEST_GREETING_S
    return CallerPlan(
        trial_id,
        rate_hz,
        turns,
        limit_s,
        spec.sees_labels,
        listens,
        preroll_ms=float(spec.audio.preroll_ms),
        stretch=spec.audio.stretch,
        greeting_s=greeting_s,
        line=line_of(spec) if is_remote else LOCAL,
        network=spec.network,
        network_seed=f"{fixture.name}.{trial_id.rpartition('.')[2]}",
    )


def _pcm(turn: Turn, rate_hz: int) -> npt.NDArray[np.int16]:
    """(n,) of a turn at the preset's rate: silence, where it is written."""
    if turn.written:
        return np.zeros(turn.samples * rate_hz // turn.rate_hz, np.int16)
    return resample(read_pcm(turn), turn.rate_hz, rate_hz)


def play(
    order: Trial,
    spec: PipelineSpec,
    plan: CallerPlan,
    caller: CallerProcess,
    agent: Agent,
    scene: str | None = None,
    extra: dict[str, Any] | None = None,
    taps: tuple[str, ...] = (),
) -> Outcome:
    """Plays one trial, whatever happens to the agent meanwhile.

    Args:
        order: The trial's row, as far as it is known before.
        spec: The preset.
        plan: The caller's side.
        caller: The caller's process.
        agent: The preset's agent process; may die.
        scene: What the robot sees.
        extra: Arguments of the preset's architecture, or of a tap, beyond its options.
        taps: Observers to put beside the pipeline, see `TrialOrder.taps`.

    Raises:
        LabError: the caller's own process died: nothing is left to measure with.
    """
    started = datetime.now(UTC).isoformat(timespec="milliseconds")
    meter = TreeMeter(agent.pid)
    path = caller.ask(plan)
    with contextlib.suppress(LabError):  # a dead agent is reported by its connection, below
        agent.ask(TrialOrder(order.trial_id, path, scene, extra or {}, taps))
    result, report = _watch(caller, agent, meter)
    error = _error(result, report) or _restarted(report.marks, result.t0_ns)
    row = replace(
        order,
        status="error" if error else result.status,
        error=error or result.note,
        t0_ns=result.t0_ns,
        rate_hz=result.rate_hz,
        chunk_ms=CHUNK_MS,
        chunks_sent=result.chunks_sent,
        device_buffer_ms=float(spec.audio.device_buffer_ms),
        preroll_ms=float(spec.audio.preroll_ms),
        weights=spec.weights,
        network=spec.network.label if spec.network else "",
        cpu_agent_s=meter.cpu_s,
        cpu_caller_s=result.cpu_s,
        rss_agent_peak_mb=meter.peak_mb,
        rss_caller_peak_mb=result.rss_peak_mb,
        wall_s=result.wall_s,
        load_avg_1m=os.getloadavg()[0],
        started_utc=started,
    )
    stereo = stereo_of(result, plan.in_rate_hz)
    if stereo is not None:
        row = replace(row, audio_s=len(stereo) / result.rate_hz)
    marks = sorted([*result.marks, *report.marks], key=lambda m: m.t_ns)
    return Outcome(row, marks, stereo, result.rate_hz)


def _error(result: CallerResult, report: Report) -> str | None:
    """What went wrong on either side; an agent that hangs up after its answer did nothing wrong."""
    if result.status in report.excused_by and not result.error:
        return None
    if report.excused_by and result.error and report.error:
        return f"{result.error}; {report.error}"
    return report.error or result.error


def _restarted(marks: Sequence[Mark], t0_ns: int) -> str | None:
    """A sentence if a model died while idle and was started again in the trial: no time to
    compare.
    """
    for mark in marks:
        if (mark.stage, mark.event) == ("agent", "process_start") and mark.t_ns > t0_ns:
            return f"the process of {mark.text} had died and was started again in mid-trial"
    return None


def _watch(caller: CallerProcess, agent: Agent, meter: TreeMeter) -> tuple[CallerResult, Report]:
    """Waits for both sides; collects the agent's marks, and unblocks the caller if it dies."""
    marks: list[Mark] = []
    result: CallerResult | None = None
    report: Report | None = None
    deadline = float("inf")
    next_sample = time.monotonic() + SAMPLE_RSS_S
    while result is None or report is None:
        sources: Sequence[object] = [
            *([caller.connection] if result is None else []),
            *([agent.connection] if report is None else []),
        ]
        ready = wait(sources, timeout=SAMPLE_RSS_S)  # type: ignore[arg-type]
        now = time.monotonic()
        if now >= next_sample:
            meter.sample()
            next_sample = now + SAMPLE_RSS_S
        # A helper that the agent forked may hold its end of the connection open when it has died.
        died = report is None and not agent.alive and not agent.connection.poll()
        if report is None and (died or agent.connection in ready):
            got = Report("done", error=agent.death()) if died else agent.receive()
            if died:
                agent.stop()  # and its helpers, one of which may hold the caller's line too
            marks += got.marks
            if got.kind == "done":
                report = got
                if result is None:
                    caller.unblock()
        if caller.connection in ready and result is None:
            told = caller.receive()
            if told == "ready":
                meter.start()
            elif told == "over":
                meter.stop()
            elif not isinstance(told, str):
                result = told
                deadline = now + AGENT_GRACE_S
        if report is None and now > deadline:
            agent.stop()
            report = Report("done", [], f"the agent did not end within {AGENT_GRACE_S:.0f} s")
    return result, Report("done", marks, report.error, report.excused_by)


def stereo_of(result: CallerResult, in_rate_hz: int) -> npt.NDArray[np.int16] | None:
    """Both channels at the agent's rate: (n, 2) int16; None where nothing was recorded."""
    if result.user is None or result.agent is None or not len(result.agent):
        return None
    user = resample(result.user, in_rate_hz, result.rate_hz)
    stereo = np.zeros((len(result.agent), 2), np.int16)
    n = min(len(user), len(stereo))
    stereo[:n, 0] = user[:n]
    stereo[:, 1] = result.agent
    return stereo
