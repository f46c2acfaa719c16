"""The one clock: monotonic nanoseconds, shared by every process of a machine.

Code that waits or stamps takes a `Clock`; tests hand in a `FakeClock` and advance it.
"""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Returns nanoseconds since an arbitrary start; never goes backwards."""

monotonic_ns: Clock = time.monotonic_ns

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000


class FakeClock:
    """A clock that moves only when a test moves it."""

    def __init__(self, t_ns: int = 0) -> None:
        self.t_ns = t_ns

    def __call__(self) -> int:
        """The time that was set, ns."""
        return self.t_ns

    def advance(self, delta_ns: int) -> None:
        """Moves time forward by ``delta_ns`` >= 0 nanoseconds."""
        if delta_ns < 0:
            raise ValueError(f"a monotonic clock can't go back by {-delta_ns} ns")
        self.t_ns += delta_ns


def samples_to_ns(samples: int, rate_hz: int) -> int:
    """Duration of ``samples`` at ``rate_hz``, rounded to the nearest nanosecond."""
    return (samples * NS_PER_S + rate_hz // 2) // rate_hz


def ns_to_samples(delta_ns: int, rate_hz: int) -> int:
    """Whole samples nearest to a duration."""
    return (delta_ns * rate_hz + NS_PER_S // 2) // NS_PER_S
