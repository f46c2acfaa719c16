"""What a metric is: a row of the table of metrics."""

from __future__ import annotations

from dataclasses import dataclass

from bench.metrics.of_trials import TrialMeasure
from bench.metrics.of_turns import TurnMeasure


@dataclass(frozen=True, slots=True)
class Metric:
    """A row of `METRICS`."""

    number: int
    """Its row in the list of definitions; several figures may share one."""
    name: str
    """As in the column ``metric``."""
    unit: str
    """Unit of its values."""
    group: str
    """Key of ``bench.metrics.validity.GROUPS``: what it needs to be believed."""
    description: str
    """Its definition, one line."""
    on_trial: TrialMeasure | None = None
    """How it is read off a whole trial; exactly one of the two is given."""
    on_turn: TurnMeasure | None = None
    """How it is read off a turn."""

    @property
    def scope(self) -> str:
        """``trial`` or ``turn``."""
        return "trial" if self.on_trial is not None else "turn"
