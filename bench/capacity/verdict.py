"""What a search found, in sentences: the load, where it breaks, and what ran out there. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.capacity.slo import NEVER_MS

FULL_SEATS = ("as many conversations as it can have", "the most that it may", "full")
"""Words of a refusal for want of seats."""


def verdict(kept: Mapping[str, Any]) -> list[str]:
    """The sentences.

    Args:
        kept: ``capacity`` of a run's ``run.json``.
    """
    if not kept["done"]:
        return [
            f"The search was ended after {len(kept['levels'])} loads: 'capacity --resume' goes on."
        ]
    most, beyond = kept["most"], _beyond(kept)
    if most is None:
        lines = ["No load held: look at the limits, or at one call by itself."]
    else:
        times = sum(row["load"] == most for row in kept["levels"])
        many = "once" if times == 1 else f"{times} times"
        lines = [f"N* = {most:g} calls at once: all limits held by their bounds, {many}."]
    if beyond is None:
        limit = min(kept["callers_limit"], kept["largest"])
        own = kept["callers_limit"] < kept["largest"]
        why = "beyond it the callers themselves would be late" if own else "the largest asked for"
        lines.append(f"Nothing broke up to {limit:g}, {why}: the agent may bear more.")
    elif beyond["refused"]:
        lines.append(f"At {beyond['load']:g} {beyond['refused']}: the agent may bear more.")
    else:
        lines.append(_broke(beyond))
    return lines


def _beyond(kept: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The smallest load that did not hold, when it was played last."""
    of = [
        row for row in kept["levels"] if row["load"] == kept["beyond"] and row["state"] != "holds"
    ]
    return of[-1] if of else None


def _broke(row: Mapping[str, Any]) -> str:
    missed = {name: of for name, of in row["slos"].items() if of["state"] != "holds"}
    which = ", ".join(
        f"{name}: {number(of['value'])}, bound {number(of['bound'])}"
        + (f" ({of['reason']})" if of["reason"] else "")
        for name, of in missed.items()
    )
    return f"At {row['load']:g} it did not hold: {which}; {why(row)}."


def why(row: Mapping[str, Any]) -> str:
    """What ran out at a load, in words.

    Args:
        row: One of ``levels``.
    """
    found = []
    if row["failed"]:
        is_full = any(words in row["failed_why"] for words in FULL_SEATS)
        what = "seats: " if is_full else ""
        found.append(f"{what}{row['failed']} calls failed ({row['failed_why']})")
    if row["limit"]:
        found.append(row["limit"])
    return "; ".join(found) or (
        "nothing that can be seen from here was full: answers wait inside the agent"
    )


def number(value: float | None) -> str:
    """A figure, short; of an answer that never came, never."""
    if value is None:
        return "–"
    if value >= NEVER_MS / 2:
        return "never"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
