"""Answers that took far longer than a preset's others, grouped by what is known of the cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.summary.answers import Answer, slow

Turn = tuple[str, int]
"""A turn of a trial: the trial's id and the turn's number."""


@dataclass(frozen=True, slots=True)
class Outliers:
    """Slow answers of one preset with the same cause, or else with the same largest part."""

    answers: tuple[Answer, ...]
    """The answers, the slowest first."""
    part: str | None
    """The largest part of each; None where they are not split."""
    cause: str = ""
    """The cause as a clause (``smart-turn said incomplete``); empty where none is known."""

    @property
    def took(self) -> str:
        """How long they took: ``3.3 s``, or ``3.1–3.4 s``."""
        low, high = (f"{one.ms / 1000:.1f}" for one in (self.answers[-1], self.answers[0]))
        return f"{high} s" if low == high else f"{low}–{high} s"


def outliers(
    answers: Sequence[Answer], median_ms: float | None, causes: Mapping[Turn, str] | None = None
) -> tuple[Outliers, ...]:
    """Groups the outliers among a preset's answers, the largest group first.

    Args:
        answers: The valid answers.
        median_ms: The preset's median, ms; None where it has none.
        causes: The cause of a slow turn, where one is known.
    """
    known = causes or {}
    groups: dict[tuple[str, str | None], list[Answer]] = {}
    for one in slow(answers, median_ms):
        cause = known.get((one.trial_id, one.turn), "")
        part = None if one.largest is None else one.largest[0]
        groups.setdefault((cause, part), []).append(one)
    found = [Outliers(tuple(of), part, cause) for (cause, part), of in groups.items()]
    return tuple(sorted(found, key=lambda group: -len(group.answers)))
