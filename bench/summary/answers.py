"""The answers of a preset one by one: how long each took, and which part of it was the largest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from bench.stats.quantiles import Key, per_key
from bench.store.records import MetricRow
from bench.timeline.critical_path import PIECES

SLOW_MS = 1000.0
"""Voice to voice above which a table counts an answer as slow, ms."""
OUTLIER_FACTOR = 1.5
"""A slow answer is an outlier where it takes longer than this many times the preset's median."""
RESIDUAL = "residual"
"""Name of the hand-over gaps together, among the parts of an answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One valid answer, of one repeat."""

    trial_id: str
    fixture: str
    turn: int
    """The turn's number, from 0."""
    ms: float
    """Its voice to voice, ms, signed."""
    parts: tuple[tuple[str, float], ...] = ()
    """(part, ms) in the order of the critical path, the gaps together as `RESIDUAL`; empty where
    the path is not whole."""

    @property
    def key(self) -> Key:
        """The turn of a fixture that it answers."""
        return self.fixture, self.turn

    @property
    def largest(self) -> tuple[str, float] | None:
        """Its largest part, with ms; None where it is not split."""
        return max(self.parts, key=lambda part: part[1], default=None)


@dataclass(frozen=True, slots=True)
class PartShare:
    """One part of a preset's answers."""

    part: str
    """Name of the part: a piece of the critical path, or `RESIDUAL`."""
    share: float
    """The median, over distinct turns, of the part's share of the answer that it is in, 0 to 1."""
    ms: float
    """Median of the part, ms."""


def answers_of(rows: Iterable[MetricRow]) -> tuple[Answer, ...]:
    """The valid answers among the rows of a preset, in the order of the rows; no warm-ups."""
    heard: list[MetricRow] = []
    pieces: dict[tuple[str, int], dict[str, float]] = {}
    names = {piece.name for piece in PIECES}
    for row in rows:
        if row.warmup or row.turn < 0 or not row.valid or row.value is None:
            continue
        if row.metric == "voice_to_voice":
            heard.append(row)
        elif row.metric in names:
            pieces.setdefault((row.trial_id, row.turn), {})[row.metric] = row.value
    return tuple(
        Answer(
            row.trial_id,
            row.fixture,
            row.turn,
            float(row.value or 0.0),
            _parts(pieces.get((row.trial_id, row.turn), {})),
        )
        for row in heard
    )


def _parts(found: dict[str, float]) -> tuple[tuple[str, float], ...]:
    """The parts of one answer; empty where one of the segments is missing."""
    segments = [piece.name for piece in PIECES if not piece.is_gap]
    if not all(name in found for name in segments):
        return ()
    gaps = sum(found.get(piece.name, 0.0) for piece in PIECES if piece.is_gap)
    return (*((name, found[name]) for name in segments), (RESIDUAL, gaps))


def shares(answers: Sequence[Answer]) -> tuple[PartShare, ...]:
    """What each part is of an answer, the largest first.

    Shares are of answers that took time: one that began before the user's end has none. Medians of
    shares need not add up to 1.
    """
    split = [one for one in answers if one.parts and one.ms > 0]
    parts: dict[str, list[tuple[Key, float, float]]] = {}
    for one in split:
        for name, ms in one.parts:
            parts.setdefault(name, []).append((one.key, ms, ms / one.ms))
    found = [
        PartShare(
            name,
            _median([(key, share) for key, _, share in of]),
            _median([(key, ms) for key, ms, _ in of]),
        )
        for name, of in parts.items()
    ]
    return tuple(sorted(found, key=lambda one: -one.share))


def _median(values: Sequence[tuple[Key, float]]) -> float:
    return float(median(per_key(values)))


def slow(answers: Sequence[Answer], median_ms: float | None) -> tuple[Answer, ...]:
    """The outliers among the answers, the slowest first; none without a median."""
    if median_ms is None:
        return ()
    bound_ms = max(SLOW_MS, OUTLIER_FACTOR * median_ms)
    return tuple(sorted((a for a in answers if a.ms > bound_ms), key=lambda a: -a.ms))
