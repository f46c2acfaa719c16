"""The names by which figures are asked for: metrics and shares of turns, with their units."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from bench.metrics.table import METRICS, SHARES
from bench.store.schema import RENAMED_METRICS

UNITS = {metric.name: metric.unit for metric in METRICS} | {share.name: "%" for share in SHARES}
"""Metric or share → unit, of all that may be compared or gated."""


def hint(name: str, known: Iterable[str], most: int = 1) -> str:
    """What an unknown name may have meant, as the end of a sentence; empty if nothing is near.

    Args:
        name: The name that is not known.
        known: Those that are.
        most: How many near ones are named.
    """
    if name in RENAMED_METRICS:
        return f"; it is called {RENAMED_METRICS[name]!r} now"
    near = get_close_matches(name, known, most, 0.4)
    return f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
