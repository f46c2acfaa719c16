"""The loads of a search for a capacity as a table: each figure, its bound, and what was full."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.report.text.listing import Column, Listing, Row
from bench.summary.capacity import number


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
