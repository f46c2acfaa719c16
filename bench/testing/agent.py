"""A voice agent in a test: it is called, and the calls' figures are asserted on."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.metrics.table import METRICS
from bench.runner.plan import make_plan
from bench.runner.progress import Progress
from bench.runner.run import execute
from bench.stats.quantiles import needed_n, per_key
from bench.store import store
from bench.store.records import MetricRow
from pipelines.errors import LabError
from pipelines.remote.preset import remote_specs
from pipelines.spec import PipelineSpec, load_spec

UNITS = {metric.name: metric.unit for metric in METRICS}
"""Metric → its unit."""


class FigureError(AssertionError):
    """A figure that the calls can't give: too few turns, or none that is valid."""


class Figure(float):
    """A number that says where it comes from when an assertion on it fails."""

    name: str
    unit: str
    turns: tuple[str, ...]
    """One line a turn, the largest value first."""
    run_dir: Path

    def explain_failure(self, op: str, right: object) -> list[str]:
        """Lines for a failed comparison."""
        return [
            f"{self.name} = {float(self):.1f} {self.unit}, wanted {op} {right}",
            *self.turns,
            f"more: duplex-lab show {self.run_dir}",
        ]


@dataclass(frozen=True, slots=True)
class Calls:
    """What was measured of some calls."""

    run_dir: Path
    """The run's folder, which every command of duplex-lab opens."""
    rows: tuple[MetricRow, ...]
    """Its figures, warm-ups left out."""

    def values(self, metric: str) -> list[float]:
        """The metric's valid values, one a distinct turn: repeats stand by their own median.

        Raises:
            LabError: there is no such metric.
        """
        return per_key(
            [
                ((row.fixture, row.turn), row.value)
                for row in self._of(metric)
                if row.valid and row.value is not None
            ]
        )

    def p50(self, metric: str) -> Figure:
        """The median.

        Raises:
            FigureError: no turn has a valid value; the reasons are told.
            LabError: there is no such metric.
        """
        return self.quantile(metric, 0.5)

    def p95(self, metric: str, *, allow_unbounded: bool = False) -> Figure:
        """The 95th percentile, see `quantile`; it needs 59 turns."""
        return self.quantile(metric, 0.95, allow_unbounded=allow_unbounded)

    def quantile(self, metric: str, q: float, *, allow_unbounded: bool = False) -> Figure:
        """A quantile.

        Args:
            metric: Name of a metric, ``voice_to_voice`` for one.
            q: In 0–1.
            allow_unbounded: Whether a quantile above the median may be read from fewer turns than
                bound it (59 for 0.95): it is then the largest that was seen, or near it.

        Raises:
            FigureError: no turn has a valid value, or too few have one.
            LabError: there is no such metric.
        """
        values = self.values(metric)
        if not values:
            raise FigureError(f"{metric}: no valid value. {self._why(metric)}")
        if q > 0.5 and not allow_unbounded and len(values) < needed_n(q):
            raise FigureError(
                f"{metric}: {len(values)} turns can't bound the quantile {q:g}, which needs "
                f"{needed_n(q)}; call more fixtures, or allow_unbounded=True."
            )
        # The point estimate of `bench.stats.quantiles.quantile`, for a tail without its bound too.
        figure = Figure(np.quantile(values, q, method="median_unbiased"))
        figure.name = f"{metric} p{100 * q:g}"
        figure.unit = UNITS[metric]
        figure.turns = self._turns(metric)
        figure.run_dir = self.run_dir
        return figure

    def _of(self, metric: str) -> list[MetricRow]:
        if metric not in UNITS:
            raise LabError(f"there is no metric {metric!r}; known: {', '.join(UNITS)}.")
        return [row for row in self.rows if row.metric == metric]

    def _turns(self, metric: str) -> tuple[str, ...]:
        rows = sorted(self._of(metric), key=lambda row: -(row.value or 0.0))
        return tuple(f"  {row.fixture}, turn {row.turn}: {_said(row)}" for row in rows)

    def _why(self, metric: str) -> str:
        return "; ".join(line.strip() for line in self._turns(metric)) or "Nothing was played."


def _said(row: MetricRow) -> str:
    if row.value is None or not row.valid:
        return f"not valid: {row.reason or 'no value'}"
    return f"{row.value:.1f} {row.unit}"


class VoiceAgent:
    """The agent under test.

    Args:
        spec: Its preset.
        folder: Where the runs are kept.
        network: Name of the network that is simulated to it; empty: none.
    """

    def __init__(self, spec: PipelineSpec, folder: Path, network: str = "") -> None:
        self._spec = spec
        self._folder = folder
        self._network = network
        self._calls = 0

    @classmethod
    def named(
        cls, name: str, line: str | None, headers: Sequence[str], folder: Path, network: str = ""
    ) -> VoiceAgent:
        """The agent of a command line.

        Args:
            name: An address, a preset, or a bot's file.
            line: The protocol of an address.
            headers: ``Header=VARIABLE`` of an address.
            folder: Where the runs are kept.
            network: Name of one network that is simulated to it; empty: none.

        Raises:
            LabError: it is none of them, or several networks are named.
        """
        if "," in network:
            raise LabError(f"--network {network}: a test calls over one network; name one.")
        if "://" in name:
            spec = remote_specs([name], [line] if line else [], headers)[0]
            return cls(spec, folder, network)
        if line:
            raise LabError(f"--line {line} is for an address (ws://…), and --agent is {name}.")
        if name.endswith(".py"):
            from pipelines.bot.preset import bot_spec

            return cls(bot_spec(Path(name)), folder, network)
        return cls(load_spec(name), folder, network)

    def call(self, fixtures: str, *, repeats: int = 1) -> Calls:
        """Calls the agent once with every fixture, in real time.

        Args:
            fixtures: Names, patterns or tags, by commas, as ``run --fixtures`` takes them.
            repeats: Number of times that each is played.

        Raises:
            LabError: a fixture is unknown, or the agent can't be reached.
        """
        self._calls += 1
        run_dir = self._folder / f"{self._spec.name}-{self._calls}"
        plan = make_plan("", fixtures, repeats, agents=[self._spec], networks=self._network)
        execute(plan, run_dir, resume=False, watch=_tell, retries=2)
        rows = tuple(row for row in store.read_metrics(run_dir) if not row.warmup)
        return Calls(run_dir, rows)


def _tell(progress: Progress) -> None:
    """The progress, for ``pytest -s``."""
    print(f"[{progress.done}/{progress.total}] {progress.text}", file=sys.stderr, flush=True)
