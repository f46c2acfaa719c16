"""A change of a stage's time, as it is typed: ``stt_tail=0.5x``, ``endpointing_delay<=150ms``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from bench.compare.names import hint
from bench.whatif.stages import STAGES, Stage
from pipelines.clock import NS_PER_MS
from pipelines.errors import LabError

Kind = Literal["times", "shift", "exact", "at_most", "at_least"]
"""What becomes of the stage's time: ``=0.5x``, ``=+30ms``, ``=120ms``, ``<=150ms``, ``>=40ms``."""
_CHANGE = re.compile(
    r"(?P<stage>[\w-]+)\s*(?P<sense><=|>=|=)\s*(?P<sign>[+\-−]?)(?P<number>\d+(?:\.\d+)?)\s*"
    r"(?P<unit>x|ms|s)"
)
FORMS = "STAGE=0.5x, STAGE=120ms, STAGE=+30ms, STAGE=-30ms, 'STAGE<=150ms' or 'STAGE>=40ms'"
"""The forms that a change may have."""
LONGEST_MS = 600_000.0
"""The longest time that a stage may be given, ms."""
LARGEST_FACTOR = 1000.0
"""The largest factor."""


@dataclass(frozen=True, slots=True)
class Change:
    """What one stage's time is to become."""

    text: str
    """The change as it was typed."""
    stage: Stage
    kind: Kind
    amount: float
    """A factor, or ms."""

    @classmethod
    def parse(cls, text: str) -> Change:
        """Reads a change.

        Raises:
            LabError: it can't be understood, or there is no such stage.
        """
        found = _CHANGE.fullmatch(text.strip())
        if found is None:
            raise LabError(f"--set {text!r} can't be understood; write {FORMS}.")
        name, sense, unit = found["stage"], found["sense"], found["unit"]
        if name not in STAGES:
            raise LabError(
                f"--set {text!r}: there is no stage {name!r}{hint(name, STAGES)}; there are "
                f"{', '.join(STAGES)}."
            )
        amount = float(found["number"]) * (1000 if unit == "s" else 1)
        if (unit == "x") and (found["sign"] or sense != "="):
            raise LabError(f"--set {text!r}: a factor stands after a bare '=', like {name}=0.5x.")
        if found["sign"] and sense != "=":
            raise LabError(f"--set {text!r}: a limit has no sign; write '{name}{sense}150ms'.")
        if amount > (LARGEST_FACTOR if unit == "x" else LONGEST_MS):
            most = f"{LARGEST_FACTOR:g}x" if unit == "x" else f"{LONGEST_MS / 1000:g}s"
            raise LabError(f"--set {text!r}: {most} is the most that a stage may be given.")
        if found["sign"] in ("-", "−"):
            amount = -amount
        return cls(text.strip(), STAGES[name], _kind(sense, unit, found["sign"]), amount)

    def of(self, ns: int) -> int:
        """What a time becomes, ns; never below 0, unless it was."""
        amount_ns = round(self.amount * NS_PER_MS)
        if self.kind == "times":
            return round(ns * self.amount)
        if self.kind == "shift":
            return max(min(ns, 0), ns + amount_ns)
        if self.kind == "at_most":
            return min(ns, amount_ns)
        return max(ns, amount_ns) if self.kind == "at_least" else amount_ns


def _kind(sense: str, unit: str, sign: str) -> Kind:
    if unit == "x":
        return "times"
    if sense == "=":
        return "shift" if sign else "exact"
    return "at_most" if sense == "<=" else "at_least"


def parse_changes(texts: list[str]) -> tuple[Change, ...]:
    """Reads the changes of a command line.

    Raises:
        LabError: one can't be understood, or two are of one stage.
    """
    changes = tuple(map(Change.parse, texts))
    names = [change.stage.name for change in changes]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise LabError(f"--set: {twice} is set twice; a stage has one time.")
    return changes
