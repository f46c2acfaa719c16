"""The tables of ``duplex-lab endpointing``: operating points by silences; decisions as heard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.endpointing.policy import (
    CUT_OFF_BUDGETS,
    LATENCY_BUDGETS_S,
    Point,
    Scored,
    cut_off_bounds,
    fewest_cut_offs,
    latency_bounds,
    shortest_latency,
)
from bench.endpointing.predict import Decided
from bench.stats.quantiles import Estimate, quantile, rate

Row = Mapping[str, Any]


def operating_points(name: str, of: Scored, points: Iterable[Point]) -> list[Row]:
    """A method's best policy for each budget, a row each."""
    every = list(points)
    found = [
        (f"cut-offs at {budget * 1000:.0f} ms", fewest_cut_offs(every, budget))
        for budget in LATENCY_BUDGETS_S
    ] + [
        (f"latency at {budget:.0%} cut-offs", shortest_latency(every, budget))
        for budget in CUT_OFF_BUDGETS
    ]
    return [_operating(name, budget, of, point) for budget, point in found]


def _operating(name: str, budget: str, of: Scored, point: Point | None) -> Row:
    nothing = Estimate(None, 0)
    cut = nothing if point is None else cut_off_bounds(point)
    wait = nothing if point is None else latency_bounds(of, point)
    return {
        "method": name,
        "budget": budget,
        "cut_offs": _hundredfold(cut.value),
        "cut_offs_low": _hundredfold(cut.low),
        "cut_offs_high": _hundredfold(cut.high),
        "latency_ms": _thousandfold(wait.value),
        "latency_low_ms": _thousandfold(wait.low),
        "latency_high_ms": _thousandfold(wait.high),
        "threshold": point and point.threshold,
        "action_delay_s": point and point.action_delay_s,
        "timeout_s": point and point.timeout_s,
        "found": None if point is None else 100 * point.found,
        "pauses": len(of.pauses.lengths_s),
        "ends": len(of.ends.lengths_s),
    }


def _hundredfold(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _thousandfold(value: float | None) -> float | None:
    return None if value is None else 1000 * value


def as_decided(name: str, found: Sequence[Decided]) -> Row:
    """What a method's own policy did in all turns, computing included: one row."""
    pauses = sum(one.pauses for one in found)
    cut = rate(sum(one.cut for one in found), pauses)
    # Where the decision never came, it took longer than was watched: that is a lower bound.
    waits = [1000 * (x.watched_s if x.computed_s is None else x.computed_s) for x in found]
    middle, tail = quantile(waits, 0.5), quantile(waits, 0.95)
    decided = quantile([1000 * (x.watched_s if x.wait_s is None else x.wait_s) for x in found], 0.5)
    return {
        "method": name,
        "cut_offs": _hundredfold(cut.value),
        "cut_offs_low": _hundredfold(cut.low),
        "cut_offs_high": _hundredfold(cut.high),
        "pauses": pauses,
        "mid_speech": sum(one.mid_speech for one in found),
        **_wait("wait_p50", middle),
        **_wait("wait_p95", tail),
        "wait_mean_ms": sum(waits) / len(waits),
        "decided_p50_ms": decided.value,
        "never": sum(one.computed_s is None for one in found),
        "turns": len(found),
        "computing_longest_ms": max(1000 * one.longest_s for one in found),
        "cpu_percent": 100 * sum(one.busy for one in found) / len(found),
    }


def _wait(name: str, of: Estimate) -> dict[str, float | None]:
    return {f"{name}_ms": of.value, f"{name}_low_ms": of.low, f"{name}_high_ms": of.high}
