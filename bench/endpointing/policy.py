"""What can be had of a method's estimates: cut-offs against waiting, over all policies. Pure.

In the terms of eot-bench (LiveKit, Apache-2.0): a policy takes the turn for over once the estimate
has passed ``threshold``, but not before ``action_delay`` of silence, and in any case after
``timeout``. A pause that the policy doesn't outwait is a false cut-off; the time it waits after the
turn's end is its latency, which is conversational dead air and no computing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.endpointing.predictions import Prediction, by_silence
from bench.stats.quantiles import Estimate, mean, rate
from pipelines.errors import LabError

THRESHOLDS = tuple(np.round(np.arange(0.0, 1.01, 0.01), 2).tolist())
ACTION_DELAYS_S = tuple(np.round(np.arange(0.2, 1.01, 0.1), 2).tolist())
TIMEOUTS_S = tuple(np.round(np.arange(1.0, 3.51, 0.5), 2).tolist())
"""The grid of eot-bench."""
SILENCES_ALONE_S = tuple(np.round(np.arange(0.2, 5.005, 0.01), 2).tolist())
"""Waits of the policy that knows nothing but time."""
PAUSE_S = (0.2, 5.0)
"""Pauses of other lengths are left out; ends never are."""
LATENCY_BUDGETS_S = (0.3, 0.6)
CUT_OFF_BUDGETS = (0.05, 0.10)
"""The operating points that are published."""
_EPS = 1e-9

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Silences:
    """All silences of one kind, with a method's estimates in them."""

    lengths_s: Floats
    """(n,)"""
    times_s: Floats
    """(n, k) moments of the estimates since the silence began; inf where it has fewer."""
    estimates: Floats
    """(n, k) probabilities that the turn is over."""

    def fires_s(self, threshold: float) -> Floats:
        """(n,) the first moment at which the estimate is above a threshold; inf: never."""
        above = self.estimates > threshold
        first: Floats = np.where(above, self.times_s, np.inf).min(axis=1, initial=np.inf)
        return first


@dataclass(frozen=True, slots=True)
class Scored:
    """A method's estimates: what policies are tried on."""

    pauses: Silences
    ends: Silences


@dataclass(frozen=True, slots=True)
class Point:
    """A policy and what comes of it."""

    threshold: float | None
    """Least estimate; None: time alone."""
    action_delay_s: float
    """Least silence, s."""
    timeout_s: float
    """Most silence, s."""
    cut_offs: int
    """Pauses that it took for the end."""
    pauses: int
    """All pauses."""
    latency_s: float
    """Mean wait after the turn's end, s."""
    ends: int
    """All ends."""
    found: float
    """Share of the ends that the estimate found before the timeout."""

    @property
    def cut_off_rate(self) -> float:
        """Share of the pauses that it took for the end."""
        return self.cut_offs / self.pauses


def scored(rows: Iterable[Prediction], where: str = "the predictions") -> Scored:
    """Sorts a method's rows by silences.

    Args:
        rows: The rows, in any order.
        where: What they are, for the error's text.

    Raises:
        LabError: there are no pauses, or no ends.
    """
    silences = by_silence(rows)
    pauses = [
        of
        for of in silences.values()
        if of[0].label == "hold" and PAUSE_S[0] - _EPS <= of[-1].silence_dur <= PAUSE_S[1] + _EPS
    ]
    ends = [of for of in silences.values() if of[0].label == "eot"]
    if not pauses or not ends:
        raise LabError(
            f"{where}: {len(pauses)} pauses of {PAUSE_S[0]} to {PAUSE_S[1]} s and {len(ends)} ends "
            "of turns; a cut-off rate needs pauses, and a latency needs ends."
        )
    return Scored(_silences(pauses), _silences(ends))


def _silences(of: Sequence[Sequence[Prediction]]) -> Silences:
    most = max(map(len, of))
    times = np.full((len(of), most), np.inf)
    estimates = np.zeros((len(of), most))
    for i, rows in enumerate(of):
        times[i, : len(rows)] = [row.silence_dur for row in rows]
        estimates[i, : len(rows)] = [row.p_eot for row in rows]
    return Silences(np.array([rows[-1].silence_dur for rows in of]), times, estimates)


def sweep(
    of: Scored,
    thresholds: Sequence[float] = THRESHOLDS,
    action_delays_s: Sequence[float] = ACTION_DELAYS_S,
    timeouts_s: Sequence[float] = TIMEOUTS_S,
) -> Iterator[Point]:
    """Every policy of the grid."""
    for threshold in thresholds:
        pause_fires, end_fires = of.pauses.fires_s(threshold), of.ends.fires_s(threshold)
        for delay in action_delays_s:
            for timeout in timeouts_s:
                if delay <= timeout + _EPS:
                    yield _point(of, threshold, delay, timeout, pause_fires, end_fires)


def _point(
    of: Scored,
    threshold: float,
    delay: float,
    timeout: float,
    pause_fires: Floats,
    end_fires: Floats,
) -> Point:
    acts = np.minimum(np.maximum(pause_fires, delay), timeout)
    waits = np.maximum(end_fires, delay)
    return Point(
        threshold,
        delay,
        timeout,
        cut_offs=int((of.pauses.lengths_s > acts + _EPS).sum()),
        pauses=len(acts),
        latency_s=float(np.minimum(waits, timeout).mean()),
        ends=len(waits),
        found=float((waits <= timeout + _EPS).mean()),
    )


def silence_alone(of: Scored, waits_s: Sequence[float] = SILENCES_ALONE_S) -> Iterator[Point]:
    """The policies that end a turn after a fixed silence: what any method must be better than."""
    for wait in waits_s:
        cut = int((of.pauses.lengths_s > wait + _EPS).sum())
        n = len(of.pauses.lengths_s)
        yield Point(None, wait, wait, cut, n, wait, len(of.ends.lengths_s), 1.0)


def fewest_cut_offs(points: Iterable[Point], latency_s: float) -> Point | None:
    """The best point whose mean latency is no longer; None if no policy is so fast."""
    able = [p for p in points if p.latency_s <= latency_s + _EPS]
    return min(able, key=lambda p: (p.cut_off_rate, p.latency_s), default=None)


def shortest_latency(points: Iterable[Point], cut_off_rate: float) -> Point | None:
    """The best point that cuts no more; None if every policy cuts more."""
    able = [p for p in points if p.cut_off_rate <= cut_off_rate + _EPS]
    return min(able, key=lambda p: (p.latency_s, p.cut_off_rate), default=None)


def frontier(points: Iterable[Point]) -> list[Point]:
    """Points that no other beats in both, the fastest first."""
    found: list[Point] = []
    for point in sorted(points, key=lambda p: (p.latency_s, p.cut_off_rate)):
        if not found or point.cut_off_rate < found[-1].cut_off_rate - _EPS:
            found.append(point)
    return found


def cut_off_bounds(point: Point) -> Estimate:
    """The cut-off rate with its exact interval.

    The policy was chosen on these same pauses, so that the interval describes the point and
    promises nothing for other recordings.
    """
    return rate(point.cut_offs, point.pauses)


def latency_bounds(of: Scored, point: Point) -> Estimate:
    """The mean latency with its interval, s."""
    if point.threshold is None:
        return Estimate(point.latency_s, point.ends)
    waits = np.maximum(of.ends.fires_s(point.threshold), point.action_delay_s)
    return mean(np.minimum(waits, point.timeout_s).tolist())
