"""One load: its calls are made, and every limit is judged on those after it had settled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.agent.remote import RemoteAgent
from bench.caller.mouth import CHUNK_MS
from bench.caller.plan import CallerPlan, CallerResult
from bench.capacity.arrivals import Arrival
from bench.capacity.callers import Callers, Load, Ordered
from bench.capacity.resources import Meter, Resources
from bench.capacity.slo import Judged, Slo, State
from bench.fixtures.labels import labels_of
from bench.fixtures.library import Fixture
from bench.metrics.compute import compute_trial
from bench.runner.trial import caller_plan, stereo_of
from bench.store import store
from bench.store.records import MetricRow, Trial
from bench.timeline.lateness import with_lateness
from pipelines.errors import LabError
from pipelines.spec import PipelineSpec

MOST_LATE = 0.05
"""Share of the calls in which the callers may be late themselves; beyond it a load is refused."""


@dataclass(frozen=True, slots=True)
class Level:
    """One load that was played."""

    load: float
    """Calls that are open at once, on average, if none waits: what was offered."""
    repeat: int
    preset: str
    """Name under which its calls are kept."""
    calls: int
    """Calls that came when the load had settled."""
    mean_open: float
    """Calls that were open at once on average, from the first that counts to the last's coming."""
    most_open: int
    """The largest number of calls that were open at once."""
    judged: tuple[Judged, ...]
    """Each limit."""
    late: int
    """Calls in which the callers were late themselves."""
    mouth_p99_ms: float | None
    """The 99th percentile of the calls' own, of the worst call but one in twenty."""
    cpu_percent_a_call: float
    """CPU of the callers, percent of one core for each open call."""
    resources: Resources

    @property
    def refused(self) -> str:
        """Why nothing is said of this load; empty: it is."""
        if self.late > MOST_LATE * self.calls:
            return f"the callers themselves were late in {self.late} of {self.calls} calls"
        return ""

    @property
    def state(self) -> State:
        """Whether all limits hold."""
        states = {one.state for one in self.judged}
        if self.refused:
            return "unknown"
        return "broken" if "broken" in states else "unknown" if "unknown" in states else "holds"


@dataclass(frozen=True, slots=True)
class Player:
    """Plays loads of one agent.

    Args:
        run_dir: Where the calls are kept.
        spec: The agent's preset.
        fixtures: Name → what a caller says.
        agent: The agent.
        callers: The callers' process.
        slos: What must hold.
    """

    run_dir: Path
    spec: PipelineSpec
    fixtures: Mapping[str, Fixture]
    agent: RemoteAgent
    callers: Callers
    slos: Sequence[Slo]

    def lengths_s(self, guessed_s: Mapping[str, float]) -> dict[str, float]:
        """Fixture → length of its call, s: each is made once, and nothing of it is kept.

        Args:
            guessed_s: Fixture → about how long it lasts.

        Raises:
            LabError: the agent answers no call.
        """
        at_s, ordered = 0.0, []
        for name, length_s in guessed_s.items():
            plan = caller_plan(f"length.{name}.0", self.spec, self.fixtures[name])
            ordered.append(Ordered(at_s, plan))
            at_s += length_s  # one after the other, as far as that is known
        results = self.callers.play(ordered).results
        failed = next((r.error for r in results if r.status == "error"), None)
        if failed:
            raise LabError(f"A single call by itself already fails: {failed}")
        return {name: r.wall_s for name, r in zip(guessed_s, results, strict=True)}

    def play(self, load: float, repeat: int, calls: Sequence[Arrival]) -> Level:
        """Makes the calls of a load, keeps those that count, and judges them.

        Args:
            load: What is offered.
            repeat: How many times it was played before.
            calls: The calls, by time.

        Raises:
            LabError: the callers died, or the disk is full.
        """
        name = f"{self.spec.name}@{load:g}"
        plans = [self._plan(name, call, repeat) for call in calls]
        with Meter(self.agent.pid) as meter:
            ordered = [Ordered(c.at_s, plan) for c, plan in zip(calls, plans, strict=True)]
            played = self.callers.play(ordered)
        return self._judged(load, repeat, name, calls, plans, played, meter.found())

    def _plan(self, name: str, call: Arrival, repeat: int) -> CallerPlan:
        fixture = self.fixtures[call.fixture]
        trial_id = f"{name}.{fixture.name}.{repeat}-{call.number}"
        return caller_plan(trial_id, self.spec, fixture)

    def _judged(
        self,
        load: float,
        repeat: int,
        name: str,
        calls: Sequence[Arrival],
        plans: Sequence[CallerPlan],
        played: Load,
        resources: Resources,
    ) -> Level:
        trials: list[Trial] = []
        rows: list[MetricRow] = []
        for call, plan, result in zip(calls, plans, played.results, strict=True):
            if call.settled:
                trial, of_trial = self._kept(name, call, plan, result)
                trials.append(trial)
                rows += of_trial
        mouths = sorted(t.mouth_late_ms_p99 for t in trials if t.mouth_late_ms_p99 is not None)
        talked_s = sum(result.wall_s for result in played.results)
        return Level(
            load,
            repeat,
            name,
            len(trials),
            _mean_open(calls, played),
            played.most_open,
            tuple(slo.judge(trials, rows, name) for slo in self.slos),
            sum(trial.status == "ruler_late" for trial in trials),
            mouths[int(0.95 * (len(mouths) - 1))] if mouths else None,
            100 * played.cpu_s / talked_s if talked_s else 0.0,
            resources,
        )

    def _kept(
        self, name: str, call: Arrival, plan: CallerPlan, result: CallerResult
    ) -> tuple[Trial, list[MetricRow]]:
        """Writes a call that counts; gives its row and its figures."""
        fixture, stereo = self.fixtures[call.fixture], stereo_of(result, plan.in_rate_hz)
        path = None
        if stereo is not None:
            path = store.save_recording(self.run_dir, plan.trial_id, stereo, result.rate_hz)
        trial = Trial(
            run_id=self.run_dir.name,
            trial_id=plan.trial_id,
            preset=name,
            fixture=fixture.name,
            fixture_sha256=fixture.sha256,
            repeat=call.number,
            warmup=False,
            turns=len(fixture.turns),
            t0_ns=result.t0_ns,
            rate_hz=result.rate_hz,
            weights=self.spec.weights,
            kind=self.spec.kind,
            status=result.status,
            error=result.error or result.note,
            chunk_ms=CHUNK_MS,
            chunks_sent=result.chunks_sent,
            device_buffer_ms=float(self.spec.audio.device_buffer_ms),
            preroll_ms=float(self.spec.audio.preroll_ms),
            recording=path,
            cpu_caller_s=result.cpu_s,
            audio_s=len(stereo) / result.rate_hz if stereo is not None else 0.0,
            wall_s=result.wall_s,
            started_utc=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
        marks = sorted(result.marks, key=lambda mark: mark.t_ns)
        trial = with_lateness(trial, marks, stereo)
        store.write_trial(self.run_dir, trial, marks)
        return trial, compute_trial(trial, marks, stereo, labels_of(fixture))


def _mean_open(calls: Sequence[Arrival], played: Load) -> float:
    """Time average of the number of open calls, while calls that count were coming."""
    counted = [call.at_s for call in calls if call.settled]
    first_s, last_s = counted[0], counted[-1]
    if last_s <= first_s:
        return float(len(counted))
    open_s = sum(
        max(0.0, min(call.at_s + result.wall_s, last_s) - max(call.at_s, first_s))
        for call, result in zip(calls, played.results, strict=True)
    )
    return open_s / (last_s - first_s)
