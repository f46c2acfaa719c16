"""A chart of the page, and what all charts share: colours, reference lines, safe text.

A chart is Plotly's JSON. Its colours are names such as ``@ink``, which the page's script replaces
by those of the theme, so that light and dark show the same chart.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.report.text.escape import visible
from bench.stats.quantiles import Estimate
from bench.summary.colours import DASHES, SYMBOLS, look
from bench.summary.references import CLAIM, CLAIM_MS, REFERENCES

Trace = dict[str, Any]

REFERENCE = "reference"
"""Name of what the script leaves out where it would lie over another of its kind."""
LEAST = 1.0
"""Smallest value drawn on a logarithmic axis."""


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart."""

    name: str
    """Part of its element's id: letters, digits and dashes."""
    title: str
    lead: str
    """Instruction for reading the chart, a sentence or two."""
    spoken: str
    """The chart's content, for readers who can't see it."""
    data: Sequence[Trace]
    layout: Mapping[str, Any] = field(default_factory=dict)
    height: int = 380
    """px."""
    wide: bool = False
    """True for a chart of the page's whole width."""


def safe(text: str) -> str:
    """Text written by others, with Plotly's tags escaped."""
    return html.escape(visible(text), quote=False)


def colour(preset: str) -> str:
    """A preset's colour."""
    return f"@p{look(preset).colour}"


def line(preset: str, run: int = 0, **more: Any) -> dict[str, Any]:
    """A preset's line: distinguishable without colour too, and of several runs from run to run."""
    dash = DASHES[(look(preset).mark + run) % len(DASHES)]
    return {"color": colour(preset), "width": 2.5, "dash": dash, **more}


def symbol(preset: str, run: int = 0) -> str:
    """A preset's marker, of several runs another one from run to run."""
    return SYMBOLS[(look(preset).mark + run) % len(SYMBOLS)]


def cut(name: str, most: int = 28) -> str:
    """A name with its middle left out, so that it has a number of characters at most."""
    if len(name) <= most:
        return name
    tail = most // 3
    return f"{name[: most - tail - 1]}…{name[-tail:]}"


def upright(at: float, name: str, *, left: bool = False, low: bool = False) -> Trace:
    """A line across the plot at a time, with its name along it.

    Args:
        at: ms.
        name: Its name.
        left: The name stands left of the line.
        low: It stands at the axis, not at the top.
    """
    return {
        "shape": {
            "type": "line",
            "x0": at,
            "x1": at,
            "y0": 0,
            "y1": 1,
            "yref": "paper",
            "line": {"color": "@faint", "width": 1.3, "dash": "dash"},
            "layer": "below",
        },
        "annotation": {
            "x": at,
            "y": 0 if low else 1,
            "yref": "paper",
            "text": name,
            "textangle": -90,
            "showarrow": False,
            "xanchor": "right" if left else "left",
            "yanchor": "bottom" if low else "top",
            "font": {"color": "@faint", "size": 11},
            "borderpad": 1,
            "name": REFERENCE,
        },
    }


def level(at: float, name: str) -> Trace:
    """A line along the plot at a value, with its name at the right end."""
    return {
        "shape": {
            "type": "line",
            "x0": 0,
            "x1": 1,
            "xref": "paper",
            "y0": at,
            "y1": at,
            "line": {"color": "@ink", "width": 1.3, "dash": "dash"},
        },
        "annotation": {
            "x": 1,
            "xref": "paper",
            "y": at,
            "text": name,
            "showarrow": False,
            "xanchor": "right",
            "yanchor": "bottom",
            "font": {"color": "@ink", "size": 11},
            "bgcolor": "@veil",
        },
    }


def marked(layout: Mapping[str, Any], lines: Sequence[Trace]) -> dict[str, Any]:
    """A layout with lines drawn into it."""
    return {
        **layout,
        "shapes": [*layout.get("shapes", ()), *(one["shape"] for one in lines)],
        "annotations": [
            *layout.get("annotations", ()),
            *(one["annotation"] for one in lines),
        ],
    }


def references() -> list[Trace]:
    """160, 200, 500 ms and the claim of a cascade: the reference lines of a latency."""
    first = REFERENCES[0][0]
    lines = [upright(ms, name, left=ms == first, low=True) for ms, name, _ in REFERENCES]
    claim = upright(CLAIM_MS[0], CLAIM[0], low=True)
    claim["shape"] = {
        "type": "rect",
        "x0": CLAIM_MS[0],
        "x1": CLAIM_MS[1],
        "y0": 0,
        "y1": 1,
        "yref": "paper",
        "fillcolor": "@band",
        "line": {"width": 0},
        "layer": "below",
    }
    return [*lines, claim]


def axis(title: str, **more: Any) -> dict[str, Any]:
    """An axis with its name."""
    return {"title": {"text": title}, **more}


def interval_bars(estimates: Sequence[Estimate], scale: float = 1.0) -> Trace:
    """Error bars of a figure with an interval."""
    plus, minus = [], []
    for one in estimates:
        known = one.value is not None and one.low is not None and one.high is not None
        plus.append(scale * ((one.high or 0) - (one.value or 0)) if known else 0.0)
        minus.append(scale * ((one.value or 0) - (one.low or 0)) if known else 0.0)
    return {
        "type": "data",
        "symmetric": False,
        "array": plus,
        "arrayminus": minus,
        "color": "@ink",
        "thickness": 2,
        "width": 5,
    }
