"""One load: its calls are made, and every limit is judged on those after it had settled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Protocol

from bench.caller.plan import CallerPlan, CallerResult
from bench.capacity.arrivals import Arrival
from bench.capacity.calls import Give, Load, Ordered
from bench.capacity.keeping import Heard, Pool
from bench.capacity.resources import Meter, Resources
from bench.capacity.slo import Judged, Slo, State
from bench.compare.pairs import Side
from bench.fixtures.library import Fixture
from bench.runner.trial import caller_plan
from bench.store.records import MetricRow, Trial
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
    failed: int
    """Calls that the agent refused, or broke off."""
    failed_why: str
    """The commonest reason of these; empty: there is none."""
    invalid_percent: float | None
    """Share of the turns that count in no latency: no word of an answer is known, the callers were
    late, or the answer came before the question."""
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


class Speakers(Protocol):
    """Whoever makes the calls: `bench.capacity.callers.Callers`, or a double in virtual time."""

    def play(self, ordered: Sequence[Ordered], give: Give) -> Load:
        """Makes the calls, each at its time."""


@dataclass(frozen=True, slots=True)
class Player:
    """Plays loads of one agent.

    Args:
        spec: The agent's preset.
        fixtures: Name → what a caller says.
        callers: Who makes the calls.
        pool: Who keeps them.
        slos: What must hold.
        meter: Makes what measures the machine within a ``with`` block.
    """

    spec: PipelineSpec
    fixtures: Mapping[str, Fixture]
    callers: Speakers
    pool: Pool
    slos: Sequence[Slo]
    meter: Callable[[], Meter]
    _plans: dict[str, CallerPlan] = field(default_factory=dict)
    """Fixture → the plan of a call with it: its audio is read once."""

    def lengths_s(self, guessed_s: Mapping[str, float]) -> dict[str, float]:
        """Fixture → length of its call, s: each is made once, and nothing of it is kept.

        Args:
            guessed_s: Fixture → about how long it lasts.

        Raises:
            LabError: the agent answers no call.
        """
        at_s, ordered = 0.0, []
        for name, length_s in guessed_s.items():
            ordered.append(Ordered(at_s, self._plan(name, f"length.{name}.0")))
            at_s += length_s  # one after the other, as far as that is known
        results: dict[int, CallerResult] = {}
        self.callers.play(ordered, results.__setitem__)
        failed = next((r.error for r in results.values() if r.status == "error"), None)
        if failed:
            raise LabError(f"A single call by itself already fails: {failed}")
        return {name: results[i].wall_s for i, name in enumerate(guessed_s)}

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
        walls_s = [0.0] * len(calls)
        ordered = [
            Ordered(c.at_s, self._plan(c.fixture, f"{name}.{c.fixture}.{repeat}-{c.number}"))
            for c in calls
        ]
        meter = self.meter()
        with self.pool.load() as loading:

            def give(number: int, result: CallerResult) -> None:
                meter.stop()  # the load is over: what follows is work of our own
                walls_s[number] = result.wall_s
                call, plan = calls[number], ordered[number].plan
                if call.settled:
                    heard = Heard(plan.trial_id, name, call.number, plan.in_rate_hz, result)
                    loading.take(self.fixtures[call.fixture], heard)

            with meter:
                played = self.callers.play(ordered, give)
        trials, rows = loading.kept.trials, loading.kept.rows
        mouths = sorted(t.mouth_late_ms_p99 for t in trials if t.mouth_late_ms_p99 is not None)
        return Level(
            load,
            repeat,
            name,
            len(trials),
            _mean_open(calls, walls_s),
            played.most_open,
            tuple(slo.judge(trials, rows, name) for slo in self.slos),
            sum(trial.status == "ruler_late" for trial in trials),
            *_failures(trials),
            _invalid_percent(trials, rows, name),
            mouths[int(0.95 * (len(mouths) - 1))] if mouths else None,
            100 * played.cpu_s / sum(walls_s) if sum(walls_s) else 0.0,
            meter.found(),
        )

    def _plan(self, name: str, trial_id: str) -> CallerPlan:
        if name not in self._plans:
            self._plans[name] = caller_plan(trial_id, self.spec, self.fixtures[name])
        return replace(self._plans[name], trial_id=trial_id)


def _failures(trials: Sequence[Trial]) -> tuple[int, str]:
    """Number of calls that failed, and the commonest reason."""
    why = Counter(trial.error or "" for trial in trials if trial.status == "error")
    return why.total(), why.most_common(1)[0][0] if why else ""


def _invalid_percent(trials: Sequence[Trial], rows: Sequence[MetricRow], name: str) -> float | None:
    """Share of the turns whose answer may be none: no word of it is known, or the like."""
    shares = [x for _, x in Side.of("", name, trials, rows).figures("invalid")]
    return fmean(shares) if shares else None


def _mean_open(calls: Sequence[Arrival], walls_s: Sequence[float]) -> float:
    """Time average of the number of open calls, while calls that count were coming."""
    counted = [call.at_s for call in calls if call.settled]
    first_s, last_s = counted[0], counted[-1]
    if last_s <= first_s:
        return float(len(counted))
    open_s = sum(
        max(0.0, min(call.at_s + wall_s, last_s) - max(call.at_s, first_s))
        for call, wall_s in zip(calls, walls_s, strict=True)
    )
    return open_s / (last_s - first_s)
