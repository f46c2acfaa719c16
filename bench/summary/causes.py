"""A run's known causes in one look: how often each, what it cost, and which slow turns it explains.

Warm-ups are left out, and so are turns that are not valid.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.causes.cause import Cause
from bench.causes.table import BY_NAME
from bench.store.records import CauseRow, MetricRow

SLOW_MS = 1000.0
"""Voice to voice from which a turn is slow, ms."""
SLOW_RATIO = 1.5
"""How many times its preset's median a slow turn takes, at least."""
EXPLAINS = 0.5
"""Share of a slow turn's excess over the median that a cause must have cost to be named for it."""

TurnKey = tuple[str, int]
"""(trial id, turn)."""


@dataclass(frozen=True, slots=True)
class Tally:
    """One cause in the turns of one preset."""

    cause: Cause
    turns: int
    """Number of turns that have it."""
    median_ms: float
    """Median of what it cost in these turns, ms."""
    largest_ms: float
    """Largest of it, ms."""
    largest_in: TurnKey
    """The turn of the largest."""
    lost_ms: float
    """What it cost in all these turns together, ms."""


@dataclass(frozen=True, slots=True)
class Slow:
    """The slow turns of one preset that one cause explains."""

    cause: Cause | None
    """None: no known cause explains them."""
    took_ms: tuple[float, ...]
    """Voice to voice of each, the slowest first, ms."""
    turns: tuple[TurnKey, ...]
    """The turns, in the same order."""


@dataclass(frozen=True, slots=True)
class PresetCauses:
    """The causes of one preset."""

    preset: str
    turns: int
    """Number of turns with a valid answer."""
    tallies: tuple[Tally, ...]
    """The causes, that which cost most in all turns together first."""
    slow: tuple[Slow, ...]
    """The slow turns by cause, the most turns first."""

    @property
    def largest(self) -> Tally | None:
        """The cause that cost the answers most, in all turns together; None without any."""
        return next((t for t in self.tallies if t.cause.loses == "answer"), None)


def summarise_causes(
    rows: Sequence[MetricRow], causes: Sequence[CauseRow]
) -> tuple[PresetCauses, ...]:
    """Sums up a run's causes, preset by preset in the order in which they ran.

    Args:
        rows: The run's metrics.
        causes: The causes of its turns.
    """
    took: dict[str, dict[TurnKey, float]] = {}
    for row in rows:
        if row.metric == "voice_to_voice" and not row.warmup:
            of_preset = took.setdefault(row.preset, {})
            if row.valid and row.value is not None:
                of_preset[row.trial_id, row.turn] = row.value
    known = [row for row in causes if not row.warmup and row.cause in BY_NAME]
    return tuple(
        _preset(name, of, [row for row in known if row.preset == name]) for name, of in took.items()
    )


def explained(found: Sequence[PresetCauses]) -> dict[TurnKey, str]:
    """Slow turn → the cause that explains it, in a few words; without those that none does."""
    return {
        key: slow.cause.short
        for preset in found
        for slow in preset.slow
        if slow.cause is not None
        for key in slow.turns
    }


def of_turns(causes: Iterable[CauseRow]) -> dict[TurnKey, list[CauseRow]]:
    """(trial id, turn) → its causes, the largest loss first."""
    found: dict[TurnKey, list[CauseRow]] = {}
    for row in sorted(causes, key=lambda row: -row.lost_ms):
        found.setdefault((row.trial_id, row.turn), []).append(row)
    return found


def _preset(name: str, took: dict[TurnKey, float], causes: Sequence[CauseRow]) -> PresetCauses:
    by_cause: dict[str, list[CauseRow]] = {}
    for row in causes:
        # A stop is lost where the user breaks in, whether that turn has a valid answer or not.
        if (row.trial_id, row.turn) in took or row.loses == "stop":
            by_cause.setdefault(row.cause, []).append(row)
    of = sorted(by_cause.values(), key=lambda rows: -sum(row.lost_ms for row in rows))
    return PresetCauses(name, len(took), tuple(map(_tally, of)), tuple(_slow(took, causes)))


def _tally(rows: Sequence[CauseRow]) -> Tally:
    worst = max(rows, key=lambda row: row.lost_ms)
    return Tally(
        BY_NAME[worst.cause],
        len({(row.trial_id, row.turn) for row in rows}),
        median(row.lost_ms for row in rows),
        worst.lost_ms,
        (worst.trial_id, worst.turn),
        sum(row.lost_ms for row in rows),
    )


def _slow(took: dict[TurnKey, float], causes: Sequence[CauseRow]) -> list[Slow]:
    if not took:
        return []
    usual_ms, by_turn = median(took.values()), of_turns(causes)
    groups: dict[str | None, list[TurnKey]] = {}
    for key in sorted(took, key=lambda key: -took[key]):
        if took[key] >= max(SLOW_MS, SLOW_RATIO * usual_ms):
            least_ms = EXPLAINS * (took[key] - usual_ms)
            named = (
                row.cause
                for row in by_turn.get(key, [])
                if row.loses == "answer" and row.lost_ms >= least_ms
            )
            groups.setdefault(next(named, None), []).append(key)
    found = [
        Slow(None if name is None else BY_NAME[name], tuple(took[k] for k in keys), tuple(keys))
        for name, keys in groups.items()
    ]
    return sorted(found, key=lambda slow: -len(slow.turns))
