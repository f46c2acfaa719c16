"""What many callers are asked for, and what one load of them was: records only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.caller.plan import CallerPlan, CallerResult

LEAD_S = 0.5
"""Time from the order to the first moment at which a call may begin, s."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """One call to make."""

    at_s: float
    """When it begins, from the beginning of the load."""
    plan: CallerPlan


@dataclass(frozen=True, slots=True)
class Load:
    """What the callers of one load did, all together."""

    began_ns: int
    """The beginning of the load."""
    wall_s: float
    cpu_s: float
    """CPU time of the callers' process."""
    most_open: int
    """The largest number of calls that were open at once."""


Give = Callable[[int, CallerResult], None]
"""Takes the result of a call, by its place in the order; each is given once, in any order."""
Way = Callable[[Sequence[Ordered], Give], Load]
"""Makes all calls, each at its time; gives their results when all have hung up."""
