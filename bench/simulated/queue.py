"""Waiting times of an M/D/c queue: Poisson arrivals, a constant service time, c servers.

By playing the queue itself, customer by customer (Kiefer & Wolfowitz 1955): exact but for chance.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

JOBS = 200_000


def waits_s(
    rate_per_s: float, service_s: float, servers: int, *, jobs: int = JOBS, seed: int = 0
) -> NDArray[np.float64]:
    """(jobs,) waiting times, s, of customers that are served in the order of their coming.

    Args:
        rate_per_s: Arrivals a second.
        service_s: Time of each service.
        servers: Number of servers, c.
        jobs: Number of customers; the first tenth is left out.
        seed: Of the arrivals.
    """
    arrivals = np.cumsum(np.random.default_rng(seed).exponential(1 / rate_per_s, jobs))
    return waits_of(arrivals.tolist(), service_s, servers)[jobs // 10 :]


def waits_of(at_s: Sequence[float], service_s: float, servers: int) -> NDArray[np.float64]:
    """(n,) waiting times, s, of customers that come at known times.

    Args:
        at_s: When each comes, in their order.
        service_s: Time of each service.
        servers: Number of servers, c.
    """
    free = [0.0] * servers
    waited = np.empty(len(at_s))
    for i, at in enumerate(at_s):
        start = max(at, heapq.heappop(free))
        heapq.heappush(free, start + service_s)
        waited[i] = start - at
    return waited


def largest_rate(
    service_s: float, servers: int, holds: Callable[[NDArray[np.float64]], bool]
) -> float:
    """The largest arrival rate, 1/s, at which something holds of the waits; to 0.5 %."""
    low, high = 0.0, servers / service_s
    while high - low > 0.005 * high:
        middle = (low + high) / 2
        if holds(waits_s(middle, service_s, servers)):
            low = middle
        else:
            high = middle
    return low
