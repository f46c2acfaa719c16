"""A gate: a limit on one figure, compared with its interval, so that chance alone seldom breaks it.

    voice_to_voice.p50<=1.05x      the candidate's, per the base's
    voice_to_voice.p50<=+30ms      the candidate's minus the base's
    voice_to_voice.p95<=400ms      the candidate's alone
    task_success.rate>=-5%         points; `>=` where more is better
    cascade-stock:endpointing_delay.p50<=+30ms    asked of this candidate only

It is broken only where the whole interval lies beyond the limit: chance does not explain that. It
holds only where the whole interval lies within. Where the limit lies inside the interval, or n is
too small for an interval, nothing can be said.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bench.compare.bounds import STATISTICS, Bounds, LimitKind, Statistic, bounds
from bench.compare.compare import COMPARED
from bench.compare.names import UNITS, hint
from bench.compare.pairs import Side
from bench.stats.quantiles import CONFIDENCE
from pipelines.errors import LabError

_GATE = re.compile(
    r"(?:(?P<preset>[\w.@+-]+):)?(?P<metric>\w+)\.(?P<statistic>\w+)\s*(?P<sense><=|>=)\s*"
    r"(?P<sign>[+\-−]?)(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[^\d\s]*)"
)
ROUNDING = 1e-9
"""Tolerance of a limit: a figure exactly at it, but for the rounding of floats, is within it."""
_RATES = {c.metric for c in COMPARED if c.scale == "rate"}


@dataclass(frozen=True, slots=True)
class Gate:
    """One limit."""

    text: str
    """The gate as it was given."""
    metric: str
    statistic: Statistic
    at_most: bool
    """True for an upper limit."""
    kind: LimitKind
    limit: float
    """The limit in the metric's unit; of a ratio, the ratio."""
    preset: str | None = None
    """The candidate that the gate is for; None: all of them."""

    @property
    def unit(self) -> str:
        """Unit of the limit and of the figure that it limits."""
        return "x" if self.kind == "ratio" else UNITS[self.metric]

    @classmethod
    def parse(cls, text: str) -> Gate:
        """Reads a gate.

        Raises:
            LabError: it can't be understood, or names something that does not exist.
        """
        found = _GATE.fullmatch(text.strip())
        if found is None:
            raise LabError(
                f"--gate {text!r} can't be understood; write METRIC.STATISTIC<=LIMIT, for example "
                "'voice_to_voice.p50<=1.05x', '<=+30ms' or '<=400ms'"
            )
        metric, statistic, unit = found["metric"], found["statistic"], found["unit"]
        if metric not in UNITS:
            raise LabError(f"--gate {text!r}: there is no metric {metric!r}{hint(metric, UNITS)}")
        if statistic not in STATISTICS:
            known = ", ".join(STATISTICS)
            raise LabError(
                f"--gate {text!r}: there is no statistic {statistic!r}; there are {known}"
            )
        if (statistic == "rate") != (metric in _RATES):
            wanted = "rate" if metric in _RATES else "p50, p95, p99 or mean"
            raise LabError(f"--gate {text!r}: of {metric} there is a {wanted}, not {statistic}")
        number, sign = float(found["number"]), found["sign"]
        if unit == "x":
            if sign or statistic == "rate" or not number:
                raise LabError(
                    f"--gate {text!r}: a ratio is written as 1.05x, without a sign, "
                    "and of rates there is none"
                )
            kind: LimitKind = "ratio"
        elif unit != UNITS[metric]:
            raise LabError(
                f"--gate {text!r}: {metric} is in {UNITS[metric] or 'no unit'}; write the limit as "
                f"1.05x, +30{UNITS[metric]} or 400{UNITS[metric]}"
            )
        else:
            kind = "difference" if sign else "value"
        limit = -number if sign in ("-", "−") else number
        at_most = found["sense"] == "<="
        return cls(text.strip(), metric, statistic, at_most, kind, limit, found["preset"])

    def applies(self, sides: Sequence[tuple[Side, Side]]) -> list[tuple[Side, Side]]:
        """The pairs that the gate is checked on.

        Raises:
            LabError: none is.
        """
        own = [pair for pair in sides if self.preset in (None, pair[1].preset)]
        if not own:
            known = ", ".join(dict.fromkeys(candidate.preset for _, candidate in sides))
            raise LabError(
                f"--gate {self.text!r}: no candidate is called {self.preset!r}; there are {known}"
            )
        return own


State = Literal["holds", "broken", "unknown"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a gate for one pair of sides."""

    gate: Gate
    base: Side
    candidate: Side
    bounds: Bounds
    confidence: float
    """The figure with its interval: 95 % for all gates together."""

    @property
    def state(self) -> State:
        """What it says; ``unknown``: the interval lies on both sides of the limit."""
        low, high = self.bounds.low, self.bounds.high
        if low is None or high is None:
            return "unknown"
        if not self.gate.at_most:  # mirrored, it is an upper limit
            low, high = -high, -low
        limit = self.gate.limit if self.gate.at_most else -self.gate.limit
        limit += ROUNDING * max(1.0, abs(limit))
        return "broken" if low > limit else "holds" if high <= limit else "unknown"

    @property
    def needed(self) -> int | None:
        """About how many conversations would decide it, if the value stays; None if unknown."""
        low, high, value = self.bounds.low, self.bounds.high, self.bounds.value
        if self.bounds.n < self.bounds.need:
            return self.bounds.need
        if None in (low, high, value) or self.state != "unknown" or value == self.gate.limit:
            return None
        assert low is not None and high is not None and value is not None
        # Towards the limit the interval must shrink to less than the distance between.
        wide = high - value if self.gate.limit > value else value - low
        return math.ceil(self.bounds.n * (wide / abs(self.gate.limit - value)) ** 2) + 1


def judge(gates: Sequence[Gate], sides: Sequence[tuple[Side, Side]]) -> list[Outcome]:
    """Checks each gate on each pair of (base, candidate).

    Several gates share the 5 %: each has its interval at 1 − 5 % / their number (Bonferroni).
    """
    asked = [(gate, *pair) for gate in gates for pair in gate.applies(sides)]
    confidence = 1 - (1 - CONFIDENCE) / max(1, len(asked))
    return [
        Outcome(
            gate,
            base,
            candidate,
            bounds(base, candidate, gate.metric, gate.statistic, gate.kind, confidence),
            confidence,
        )
        for gate, base, candidate in asked
    ]


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """Exit code: 1 if any gate is broken; else 2 if any can't be decided; else 0."""
    states = {outcome.state for outcome in outcomes}
    return 1 if "broken" in states else 2 if "unknown" in states else 0
