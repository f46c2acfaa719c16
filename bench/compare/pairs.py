"""Two presets' figures on the same turns: what is paired, and what represents one conversation.

The unit is the conversation. Repeats of a turn count once (their median; of a rate, their share).
Turns of one conversation, and a sentence's variants with noise or over the phone, share words,
voice and context, so their differences are not independent: they too count once, with their median
(of a rate, their mean).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median

from bench.metrics.table import SHARES
from bench.metrics.validity import NOT_EXPECTED, SYNTHETIC
from bench.stats.quantiles import Key
from bench.store.records import MetricRow, Trial

_SHARES = {share.name: share for share in SHARES}


@dataclass(frozen=True, slots=True)
class Side:
    """One preset of one run: one side of a comparison. Warm-ups are left out."""

    run: str
    """The run's name."""
    preset: str
    trials: tuple[Trial, ...]
    rows: Mapping[str, tuple[MetricRow, ...]] = field(repr=False)
    """Metric → its rows."""
    shown: Mapping[str, float] = field(default_factory=dict, repr=False)
    """Metric → its figure in the tables of the run; empty where it is not known."""

    @classmethod
    def of(
        cls,
        run: str,
        preset: str,
        trials: Iterable[Trial],
        rows: Iterable[MetricRow],
        shown: Mapping[str, float] | None = None,
    ) -> Side:
        """Takes one preset's rows out of a run."""
        by_metric: dict[str, list[MetricRow]] = {}
        for row in rows:
            if row.preset == preset and not row.warmup:
                by_metric.setdefault(row.metric, []).append(row)
        own = tuple(t for t in trials if t.preset == preset and not t.warmup)
        by_name = {name: tuple(found) for name, found in by_metric.items()}
        return cls(run, preset, own, by_name, shown or {})

    @property
    def fixtures(self) -> dict[str, str]:
        """Fixture → its checksum."""
        return {trial.fixture: trial.fixture_sha256 for trial in self.trials}

    def values(self, metric: str) -> dict[Key, list[float]]:
        """A metric's valid figures by turn, one per repeat."""
        found: dict[Key, list[float]] = {}
        for row, value in self.figures(metric):
            found.setdefault((row.fixture, row.turn), []).append(value)
        return found

    def figures(self, metric: str) -> Iterable[tuple[MetricRow, float]]:
        """The rows of a metric that count, each with its figure; of a rate, 0 or 100."""
        share = _SHARES.get(metric)
        if share is not None:
            for row in self.rows.get(share.of, ()):
                if row.reason not in (NOT_EXPECTED, SYNTHETIC):
                    yield row, 100.0 * share.counts(row)
            return
        for row in self.rows.get(metric, ()):
            # A figure with several subjects at once, models or buffers, can't be compared.
            if row.valid and row.value is not None and row.subject is None:
                yield row, row.value


def conversation(fixture: str) -> str:
    """What a fixture is a recording of: ``q_name.babble10`` is ``q_name`` with babble noise."""
    return fixture.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Pairs:
    """A metric of both sides, on the turns where both have a valid figure."""

    keys: tuple[Key, ...]
    """The turns."""
    base: tuple[float, ...]
    """The base's value of each turn: the median of its repeats (of a rate, their mean)."""
    candidate: tuple[float, ...]
    """The candidate's value of each turn, likewise."""
    only_base: int
    """Number of turns where only the base has a figure."""
    only_candidate: int
    """Number of turns where only the candidate has one."""

    @property
    def conversations(self) -> int:
        """Number of independent conversations among these turns."""
        return len({conversation(fixture) for fixture, _ in self.keys})

    def per_conversation(
        self,
        difference: Callable[[float, float], float],
        middle: Callable[[Sequence[float]], float],
    ) -> list[float]:
        """One difference per conversation.

        Args:
            difference: (base, candidate) of a turn → their difference.
            middle: The differences of a conversation's turns → the one value that represents it.
        """
        found: dict[str, list[float]] = {}
        for (fixture, _), base, candidate in zip(self.keys, self.base, self.candidate, strict=True):
            found.setdefault(conversation(fixture), []).append(difference(base, candidate))
        return [middle(of_turns) for of_turns in found.values()]


def paired(base: Side, candidate: Side, metric: str, *, is_rate: bool) -> Pairs:
    """Pairs a metric of two sides, in the order of the base's turns."""
    own, theirs = base.values(metric), candidate.values(metric)
    keys = tuple(key for key in own if key in theirs)
    one = fmean if is_rate else median
    return Pairs(
        keys,
        tuple(one(own[key]) for key in keys),
        tuple(one(theirs[key]) for key in keys),
        len(own) - len(keys),
        len(theirs) - len(keys),
    )
