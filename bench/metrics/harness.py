"""How punctual the measuring side was, and the agent's event loop (1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench.metrics.metric import Figure, Metric, TrialMeasure
from bench.metrics.reading import TrialReading
from bench.timeline.lateness import Lateness, Latenesses

LATE: tuple[tuple[str, str, str, Callable[[Latenesses], Lateness]], ...] = (
    ("mouth_lateness", "harness", "user chunk sent − due", lambda late: late.mouth),
    ("ear_lateness", "harness", "agent chunk received − written", lambda late: late.ear),
    ("loop_lag", "machine", "user chunk seen by the pipeline − due", lambda late: late.loop_lag),
)
"""Name, group, definition, and how each is picked from a trial's latenesses."""
QUANTILES = {"p50": 0.5, "p99": 0.99, "max": 1.0}
"""Suffix of a name → the quantile over a trial's chunks."""


def late_quantile(of: Callable[[Latenesses], Lateness], p: float) -> TrialMeasure:
    """Makes the measure of a quantile of a lateness; ``p`` = 1 for the largest."""

    def measure(reading: TrialReading) -> list[Figure]:
        value = of(reading.late).quantile(p)
        return [Figure(value, None if value is not None else "no chunk is marked")]

    return measure


def _rows() -> Iterator[Metric]:
    for name, group, text, of in LATE:
        for suffix, p in QUANTILES.items():
            described = f"{text}, {suffix} of the trial"
            yield Metric(1, f"{name}_{suffix}", "ms", group, described, late_quantile(of, p))


ROWS = tuple(_rows())
"""In the order in which they are stored."""
