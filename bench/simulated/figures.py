"""Simulated figures: a preset's rows without marks or recordings.

The double for code that reads only figures: comparisons, gates, and the simulations of both.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from bench.compare.pairs import Side
from bench.metrics.table import METRICS
from bench.store.records import MetricRow, Trial
from pipelines.kinds import Weights

UNITS = {metric.name: metric.unit for metric in METRICS}
RATE_HZ = 22_050


def figure(
    metric: str,
    value: float | None,
    *,
    fixture: str = "f0",
    turn: int = 0,
    repeat: int = 0,
    preset: str = "p",
    valid: bool = True,
    reason: str | None = None,
    weights: Weights = "trained",
) -> MetricRow:
    """One row."""
    return MetricRow(
        run_id="example",
        trial_id=f"{preset}.{fixture}.{repeat}",
        preset=preset,
        fixture=fixture,
        repeat=repeat,
        warmup=False,
        turn=turn,
        metric=metric,
        subject=None,
        value=value,
        unit=UNITS[metric],
        valid=valid,
        reason=reason,
        weights=weights,
    )


def trial(
    fixture: str,
    *,
    preset: str = "p",
    weights: Weights = "trained",
    sha256: str = "",
    preroll_ms: float = 0.0,
) -> Trial:
    """One trial of one turn."""
    return Trial(
        run_id="example",
        trial_id=f"{preset}.{fixture}.0",
        preset=preset,
        fixture=fixture,
        repeat=0,
        t0_ns=0,
        rate_hz=RATE_HZ,
        turns=1,
        fixture_sha256=sha256,
        weights=weights,
        preroll_ms=preroll_ms,
    )


def side(
    figures: Mapping[str, Sequence[float | None]],
    *,
    run: str = "run",
    preset: str = "p",
    invalid: Container[int] = (),
) -> Side:
    """A side whose n-th figure of each metric belongs to the n-th conversation, of one turn.

    Args:
        figures: Metric → its values; None: there is none (of ``voice_to_voice``: no answer).
        run: The run's name.
        preset: The preset's name.
        invalid: Conversations whose figures are not valid.
    """
    rows = [
        figure(metric, value, fixture=f"f{i}", preset=preset, valid=i not in invalid)
        for metric, values in figures.items()
        for i, value in enumerate(values)
    ]
    fixtures = list(dict.fromkeys(row.fixture for row in rows))
    return Side.of(run, preset, [trial(name, preset=preset) for name in fixtures], rows)
