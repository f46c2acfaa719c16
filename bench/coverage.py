"""How often an interval of bench/stats.py really holds the true value: found by simulation.

``python -m bench.coverage`` prints the table that stands in results/README.md. Its times are
like a voice agent's: log-normal, and a mixture in which one turn of eight takes 3 s longer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.stats import Estimate, mean, quantile

Draw = Callable[[np.random.Generator, int], NDArray[np.float64]]

SEED = 20261121
SLOW_SHARE, SLOW_MS = 1 / 8, 3000.0


def log_normal(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """(n,) times in ms with a median of 400 and a long right tail."""
    return rng.lognormal(np.log(400), 0.4, n)


def two_humps(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """(n,) times in ms, of which one in eight is 3 s longer."""
    return log_normal(rng, n) + SLOW_MS * (rng.random(n) < SLOW_SHARE)


@dataclass(frozen=True, slots=True)
class Method:
    """A way to bound a figure."""

    name: str
    estimate: Callable[[Sequence[float]], Estimate]
    """Values → the estimate with its interval."""
    true: Callable[[NDArray[np.float64]], float]
    """A very large sample → the figure itself."""
    sizes: tuple[int, ...]
    """The n that are tried."""
    samples: int
    """How many samples are drawn for each."""


METHODS = (
    Method(
        "p50, order statistics, two-sided",
        lambda x: quantile(x, 0.5),
        lambda x: float(np.quantile(x, 0.5)),
        (20, 25, 50, 100),
        4000,
    ),
    Method(
        "p95, order statistic, upper bound",
        lambda x: quantile(x, 0.95),
        lambda x: float(np.quantile(x, 0.95)),
        (59, 100, 200),
        4000,
    ),
    Method(
        "p99, order statistic, upper bound",
        lambda x: quantile(x, 0.99),
        lambda x: float(np.quantile(x, 0.99)),
        (299, 500),
        4000,
    ),
    Method(
        "mean, BCa bootstrap, two-sided", mean, lambda x: float(np.mean(x)), (20, 50, 100), 1000
    ),
)
"""What is simulated; the nominal coverage is 95 % for all."""

SHAPES: dict[str, Draw] = {"log-normal": log_normal, "two humps": two_humps}


def coverage(method: Method, draw: Draw, n: int, samples: int, seed: int = SEED) -> float:
    """Share of ``samples`` samples of ``n`` values whose interval holds the true figure."""
    rng = np.random.default_rng(seed)
    true = method.true(draw(rng, 2_000_000))
    held = 0
    for _ in range(samples):
        found = method.estimate(draw(rng, n).tolist())
        above_low = found.low is None or found.low <= true
        held += above_low and found.high is not None and true <= found.high
    return held / samples


def markdown() -> str:
    """The table, as in results/README.md; takes minutes."""
    lines = [f"| method | n | {' | '.join(SHAPES)} |", "|---|---|" + "---|" * len(SHAPES)]
    for method in METHODS:
        for n in method.sizes:
            shares = [coverage(method, draw, n, method.samples) for draw in SHAPES.values()]
            cells = " | ".join(f"{100 * share:.1f} %" for share in shares)
            lines.append(f"| {method.name} | {n} | {cells} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
