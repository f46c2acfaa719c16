"""The metrics: `METRICS` joins the rows of all groups, in the order in which they are stored.

A metric is a function and its row, side by side in the file of its group; nothing else lists it.
"""

from __future__ import annotations

from bench.metrics import (
    content,
    cost,
    frames,
    full_duplex_bench,
    harness,
    latency,
    stages,
    turn_taking,
    way,
)
from bench.metrics.metric import Metric, Share

METRICS: tuple[Metric, ...] = (
    *harness.ROWS,
    *latency.ROWS,
    *stages.ROWS,
    *frames.ROWS,
    *way.ROWS,
    *turn_taking.ROWS,
    *full_duplex_bench.ROWS,
    *content.ROWS,
    *cost.ROWS,
)
"""Every metric, in the order in which it is stored."""

SHARES: tuple[Share, ...] = latency.SHARES
"""Every share of turns that is counted from the rows of a metric."""
