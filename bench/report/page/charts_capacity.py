"""The page's charts of a search for a capacity: each limited figure over the load and its bound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench.report.capacity import number
from bench.report.page.chart import Chart, axis, level, marked, safe, upright

LOOKS = (
    ("holds by its bound", "@p0", "circle"),
    ("does not", "@p1", "x"),
    ("callers late: refused", "@faint", "circle-open"),
)
"""Name in the legend, colour and symbol of loads, by what became of them."""


def capacity_charts(kept: Mapping[str, Any] | None) -> Iterator[Chart]:
    """A chart for each limit; none of a run that is no search.

    Args:
        kept: ``capacity`` of a run's ``run.json``; None: there is none.
    """
    for number_of, name in enumerate((kept or {}).get("slos", ())):
        assert kept is not None
        yield _chart(f"capacity-{number_of}", name, kept)


def _chart(element: str, name: str, kept: Mapping[str, Any]) -> Chart:
    rows = [row for row in kept["levels"] if row["slos"][name]["value"] is not None]
    lines = [level(kept["limits"][name], "limit")]
    if kept["most"] is not None:
        lines.append(upright(kept["most"], f"N* = {kept['most']:g}"))
    figure = f"{name.partition('<=')[0].partition('>=')[0]}, {kept['units'][name]}"
    layout = {
        "xaxis": axis("load: calls at once", rangemode="tozero"),
        "yaxis": axis(safe(figure), rangemode="tozero"),
    }
    told = ", ".join(
        f"{row['load']:g}: {number(row['slos'][name]['value'])} (bound "
        f"{number(row['slos'][name]['bound'])})"
        for row in rows
    )
    return Chart(
        element,
        f"{name} over the load",
        "A dot is the figure of a load, its bar the way to its 95 % bound: a limit holds where the "
        "bound does.",
        f"{name} by load: {told or 'no load has a figure'}",
        [_trace(rows, name, which) for which in range(len(LOOKS))],
        marked(layout, lines),
    )


def _trace(rows: Sequence[Mapping[str, Any]], name: str, which: int) -> dict[str, Any]:
    own = [row for row in rows if _kind(row, name) == which]
    label, colour, mark = LOOKS[which]
    values = [row["slos"][name]["value"] for row in own]
    bounds = [row["slos"][name]["bound"] for row in own]
    ways = [
        bound - value if bound is not None else 0.0
        for value, bound in zip(values, bounds, strict=True)
    ]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": label,
        "x": [row["load"] for row in own],
        "y": values,
        "marker": {"color": colour, "symbol": mark, "size": 10},
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": [max(0.0, way) for way in ways],
            "arrayminus": [max(0.0, -way) for way in ways],
            "color": colour,
        },
        "text": [row["state"] for row in own],
        "hovertemplate": "load %{x}: %{y} (%{text})<extra></extra>",
    }


def _kind(row: Mapping[str, Any], name: str) -> int:
    if row["refused"]:
        return 2
    return 0 if row["slos"][name]["state"] == "holds" else 1
