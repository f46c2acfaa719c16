"""What a search for a capacity found, in words and as a table of its loads. Pure.

The load, where it breaks, what was full there; each figure with its bound.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.report.text.listing import Column, Listing, Row

FULL_SEATS = ("as many conversations as it can have", "the most that it may", "full")
"""Words of a refusal for want of seats."""


def verdict(kept: Mapping[str, Any]) -> list[str]:
    """The sentences.

    Args:
        kept: ``capacity`` of a run's ``run.json``.
    """
    if not kept["done"]:
        n = len(kept["levels"])
        loads = f"{n} load{'s' * (n != 1)}"
        return [f"The search was ended after {loads}: 'capacity --resume' goes on."]
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
    """A figure, short; a dash where there is none."""
    return "–" if value is None else f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def said(row: Mapping[str, Any]) -> str:
    """One line on a load that was played.

    Args:
        row: One of ``levels``.
    """
    limits = ", ".join(
        f"{name} → {number(of['value'])} (bound {number(of['bound'])})"
        + (f": {of['reason']}" if of["reason"] else "")
        for name, of in row["slos"].items()
    )
    failed = f"; {row['failed']} calls failed: {row['failed_why']}" if row["failed"] else ""
    return (
        f"load {row['load']:g}: {row['state']}; {limits}; {row['most_open']} open at most; callers "
        f"{row['cpu_percent_a_call']:.1f} % of a core a call, late in {row['late']} of "
        f"{row['calls']}{failed}" + (f"; {row['refused']}" if row["refused"] else "")
    )


def listing(kept: Mapping[str, Any]) -> Listing:
    """The loads of a search, by load.

    Args:
        kept: ``capacity`` of a run's ``run.json``.
    """
    rows = []
    for level in sorted(kept["levels"], key=lambda one: (one["load"], one["repeat"])):
        limits = {f"{name} {part}": of[part] for name, of in level["slos"].items() for part in of}
        flat = {key: level[key] for key in level if key not in ("slos", "resources")}
        rows.append({**flat, **limits, **level["resources"]})

    def figure(name: str) -> Column:
        def cell(row: Row) -> str:
            value, bound = (number(row[f"{name} {part}"]) for part in ("value", "bound"))
            return f"{value} ≤ {bound}" if "<=" in name else f"{value} ≥ {bound}"

        return Column(name, cell, is_figure=True)

    columns = (
        Column("load", "load", is_figure=True),
        Column("state", "state"),
        *map(figure, kept["slos"]),
        Column("calls", "calls", is_figure=True),
        Column("open", lambda r: f"{r['mean_open']:.1f}", is_figure=True),
        Column("open at most", "most_open", is_figure=True),
        Column("failed", "failed", is_figure=True),
        Column("invalid", lambda r: f"{number(r['invalid_percent'])} %", is_figure=True),
        Column("full", "limit"),
        Column("callers late", "late", is_figure=True),
        Column("mouth p99", lambda r: f"{number(r['mouth_p99_ms'])} ms", is_figure=True),
        Column("callers' CPU a call", lambda r: f"{r['cpu_percent_a_call']:.1f} %", is_figure=True),
    )
    leave = (
        "callers' CPU a call",
        "mouth p99",
        "callers late",
        "open at most",
        "calls",
        "invalid",
        "failed",
    )
    return Listing("loads", columns, tuple(rows), "Loads: each figure with its bound", leave)
