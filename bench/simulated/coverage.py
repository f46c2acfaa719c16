"""How often an interval really holds the true value, by simulation, for docs/statistics.md."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.simulated.latencies import (
    Draw,
    both_alike,
    coin_pairs,
    coins,
    coins_in_conversations,
    cut_short,
    heavy_tail,
    in_conversations,
    log_normal,
    one_slow,
    two_humps,
)
from bench.stats.bootstrap import RESAMPLES
from bench.stats.conversations import quantile_of_turns, rate_of_turns, resampled_median
from bench.stats.differences import share_difference, typical
from bench.stats.quantiles import CONFIDENCE, Key, mean, quantile, rate
from bench.stats.survival import km_median

Interval = tuple[float | None, float | None]
Figure = Callable[[np.random.Generator], float]

SEED = 20261121
LARGE = 1_000_000
"""Size of the sample that represents the truth."""


# Intervals


def _quantile(p: float) -> Callable[[Any], Interval]:
    def interval(data: Any) -> Interval:
        found = quantile(data.tolist(), p)
        return found.low, found.high

    return interval


def _mean(data: Any) -> Interval:
    found = mean(data.tolist())
    return found.low, found.high


def _bca_p95(data: Any) -> Interval:
    """The bootstrap of a tail's quantile, which is not used in reports."""
    from scipy.stats import bootstrap

    found = bootstrap(
        (data,),
        lambda x, axis: np.quantile(x, 0.95, axis=axis),
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        batch=1000,
        method="BCa",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return float(found.low), float(found.high)


def _keyed(data: Any) -> list[tuple[Key, float]]:
    """(conversations, turns) as values with their turns."""
    return [((str(c), i), float(x)) for c, of in enumerate(data) for i, x in enumerate(of)]


def _of_conversations(p: float) -> Callable[[Any], Interval]:
    def interval(data: Any) -> Interval:
        found = quantile_of_turns(_keyed(data), p)
        return found.low, found.high

    return interval


def _plain_percentiles(data: Any) -> Interval:
    """The bootstrap without its widening for few conversations, which is not used in reports."""
    return resampled_median(data, widened=False)


def _as_independent(data: Any) -> Interval:
    """Turns of conversations, taken as independent."""
    found = quantile(data.ravel().tolist(), 0.5)
    return found.low, found.high


def _rate_of_conversations(data: Any) -> Interval:
    found = rate_of_turns([(key, hit > 0) for key, hit in _keyed(data)])
    return found.low, found.high


def _rate(data: Any) -> Interval:
    found = rate(float(data.sum()), len(data))
    return found.low, found.high


def _km(data: Any) -> Interval:
    times, seen = data
    found = km_median(times[seen].tolist(), times[~seen].tolist())
    return found.low, np.inf if found.high is None else found.high


def _typical(data: Any) -> Interval:
    found = typical(data.tolist())
    return found.low, found.high


def _share(data: Any) -> Interval:
    found = share_difference(data.tolist())
    return found.low, found.high


# What is simulated


@dataclass(frozen=True, slots=True)
class Experiment:
    """A way to bound a figure, on one kind of data."""

    method: str
    data: str
    draw: Callable[[np.random.Generator, int], Any]
    """(generator, n) → a sample."""
    interval: Callable[[Any], Interval]
    """A sample → its interval; None at an end that it lacks."""
    true: Callable[[np.random.Generator], float]
    """The true figure, from a very large sample."""
    sizes: tuple[int, ...]
    """The n that are tried."""
    samples: int = 2000
    """Number of samples drawn for each n."""


def _p(draw: Draw, p: float) -> Figure:
    return lambda rng: float(np.quantile(draw(rng, LARGE), p))


def _average(draw: Draw) -> Figure:
    return lambda rng: float(np.mean(draw(rng, LARGE)))


def _of_pairs(draw: Draw) -> Figure:
    """The typical difference: the median of the means of pairs, of neighbours in this case."""

    def true(rng: np.random.Generator) -> float:
        differences = draw(rng, LARGE)
        return float(np.median((differences[::2] + differences[1::2]) / 2))

    return true


def _experiments() -> Iterator[Experiment]:
    """All experiments, in the order of the table."""
    tail, humps = ("5 % heavy tail", heavy_tail), ("two humps", two_humps)
    for data, draw in (tail, humps):
        yield Experiment(
            "p50, order statistics", data, draw, _quantile(0.5), _p(draw, 0.5), (20, 25, 50, 100)
        )
    for data, draw in (tail, humps):
        yield Experiment(
            "p95, order statistic, bound", data, draw, _quantile(0.95), _p(draw, 0.95), (59, 100)
        )
    data, draw = tail
    yield Experiment(
        "p99, order statistic, bound", data, draw, _quantile(0.99), _p(draw, 0.99), (299,)
    )
    yield Experiment("p95, BCa (not used)", data, draw, _bca_p95, _p(draw, 0.95), (25, 59), 300)
    for data, draw in (("log-normal", log_normal), tail, humps):
        yield Experiment("mean, BCa", data, draw, _mean, _average(draw), (20, 25, 50), 500)
    pairs = (("both alike, 20 ms apart", both_alike), ("only one has the hump", one_slow))
    for data, draw in pairs:
        yield Experiment(
            "pairs, signed ranks", data, draw, _typical, _of_pairs(draw), (20, 25, 50, 100), 2000
        )
    for data, draw in pairs:
        name = "pairs, order statistics (not used)"
        yield Experiment(name, data, draw, _quantile(0.5), _p(draw, 0.5), (20, 25, 50, 100), 2000)
    for own, theirs in ((0.95, 0.95), (0.95, 0.8), (0.6, 0.4)):
        hits = coin_pairs(own, theirs)
        data = f"{100 * own:.0f} % and {100 * theirs:.0f} %"
        yield Experiment("paired rates, Bonett–Price", data, hits, _share, _average(hits), (20, 50))
    for chance in (0.05, 0.5):
        hits, data = coins(chance), f"{100 * chance:.0f} %"
        yield Experiment("rate, Clopper–Pearson", data, hits, _rate, _average(hits), (20, 50))
    yield from _of_several_turns()
    for data, first_ms, last_ms in (
        ("few cut short", 300.0, 3000.0),
        ("half cut short", 200.0, 700.0),
    ):
        name, cut = "median, Kaplan–Meier", cut_short(first_ms, last_ms)
        yield Experiment(name, data, cut, _km, _p(heavy_tail, 0.5), (20, 25, 50), 1000)


def _of_several_turns() -> Iterator[Experiment]:
    """Conversations of four turns each; n is the number of conversations."""
    methods: tuple[tuple[str, Callable[[Any], Interval]], ...] = (
        ("p50, conversations resampled", _of_conversations(0.5)),
        ("p50, resampled, plain percentiles (not used)", _plain_percentiles),
        ("p50, turns taken as independent (not used)", _as_independent),
    )
    for alike in (0.05, 0.25, 0.5):
        draw, data = in_conversations(4, alike), f"4 turns each, {100 * alike:.0f} % shared"
        for method, interval in methods:
            yield Experiment(method, data, draw, interval, _p(draw, 0.5), (5, 6, 8), 1000)
    draw = in_conversations(2, 0.25)
    name, bound = "p95, bound by conversations", _of_conversations(0.95)
    yield Experiment(name, "2 turns each, 25 % shared", draw, bound, _p(draw, 0.95), (59,), 500)
    for chance in (0.95, 0.8):
        hits, data = coins_in_conversations(chance, 4, 0.2), f"{100 * chance:.0f} %, 4 turns each"
        name, interval = "rate, Korn–Graubard", _rate_of_conversations
        yield Experiment(name, data, hits, interval, _average(hits), (5, 6, 8), 500)


EXPERIMENTS = tuple(_experiments())
"""The experiments; the nominal coverage is 95 % for all."""


def coverage(experiment: Experiment, n: int, samples: int | None = None) -> float:
    """Share of the samples of ``n`` whose interval holds the true figure."""
    rng = np.random.default_rng([SEED, n])
    true = experiment.true(rng)
    count = experiment.samples if samples is None else samples
    held = 0
    for _ in range(count):
        low, high = experiment.interval(experiment.draw(rng, n))
        held += (low is None or low <= true) and high is not None and true <= high
    return held / count


def row(experiment: Experiment, n: int) -> str:
    """One line of the table."""
    share = f"{100 * coverage(experiment, n):.1f} %"
    return f"| {experiment.method} | {experiment.data} | {n} | {share} | {experiment.samples} |"
