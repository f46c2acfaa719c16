"""What is looked for, and how long that will take: known before anything is played."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench.capacity.arrivals import arrivals, lasts_s
from bench.capacity.slo import Slo
from bench.fixtures.library import Fixture
from pipelines.spec import PipelineSpec

MARGIN = 1.25
"""Calls that a load gets, per those that its limits need at least: some turns miss."""
ANSWER_S = 3.0
"""Estimate: what a call lasts beyond the user's own audio, for each turn, s."""
KEEPING_S = 0.03
"""Estimate: time for which a call is worked on when it is over, s."""
MB_A_MINUTE = 3.0
"""Estimate: disk that a minute of a call takes, MB."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked for."""

    spec: PipelineSpec
    """The agent: a preset of the architecture ``remote``."""
    fixtures: tuple[Fixture, ...]
    slos: tuple[Slo, ...]
    first: float = 2.0
    """The load to begin with."""
    limit: float = 64.0
    """The largest load to play."""
    repeats: int = 2
    """Times that the load which is found has to hold."""
    seed: str = "1"
    most_minutes: float = 60.0
    """Longest time for all loads together."""
    calls: int = 0
    """Calls of a load that count; 0: as many as the limits need, and a quarter more."""

    @property
    def lengths_s(self) -> dict[str, float]:
        """Fixture → estimated length of its call, s."""
        return {f.name: f.duration_s + ANSWER_S * len(f.turns) for f in self.fixtures}

    @property
    def needed(self) -> int:
        """Least number of calls by which every limit can hold."""
        asking = sum(t.expect.respond for f in self.fixtures for t in f.turns)
        turns = max(asking, 1) / len(self.fixtures)
        of_turns = [math.ceil(s.needed / turns) for s in self.slos if s.counts_turns]
        return max([*of_turns, *(s.needed for s in self.slos if not s.counts_turns)])

    @property
    def counted(self) -> int:
        """Calls of a load that count."""
        return self.calls or math.ceil(MARGIN * self.needed)

    def seconds(self, load: float) -> float:
        """Estimated time of one load, s."""
        lengths_s = self.lengths_s
        calls = arrivals(lengths_s, load, self.counted, self.seed)
        return lasts_s(calls, lengths_s) + KEEPING_S * len(calls)

    @property
    def planned(self) -> tuple[float, float]:
        """Estimated (s, MB) of a search that finds its load two doublings from the first."""
        loads = [self.first * 2**i for i in range(3)]
        loads += [loads[-1] * share for share in (0.75, 0.875, 0.9375, 0.9375)]
        played = [min(load, self.limit) for load in loads]
        minutes = len(played) * self.counted * sum(self.lengths_s.values()) / len(self.fixtures)
        return sum(map(self.seconds, played)), MB_A_MINUTE * minutes / 60
