"""The picture of ``duplex-lab capacity``: each limited figure over the load, with its bound."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bench.report.plots.style import PAGE_IN, RC, reference

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HELD, NOT_HELD = "#0072b2", "#d55e00"
"""Colours of loads at which all limits held, and of others; told apart by colour-blind people."""


def draw_capacity(kept: Mapping[str, Any]) -> Figure:
    """Draws a panel for each limit: the figure (dot), the way to its bound (line), the limit.

    Args:
        kept: ``capacity`` of a run's ``run.json``.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names: Sequence[str] = kept["slos"]
    with mpl.rc_context({**RC, "figure.constrained_layout.use": True}):
        figure = Figure(figsize=(PAGE_IN, 2.2 * len(names)), dpi=200, facecolor="white")
        FigureCanvasAgg(figure)
        panels = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
        for axes, name in zip(panels, names, strict=True):
            for level in kept["levels"]:
                of = level["slos"][name]
                colour = HELD if of["state"] == "holds" else NOT_HELD
                if of["value"] is None:
                    continue
                face = colour if not level["refused"] else "white"
                axes.plot(level["load"], of["value"], "o", color=colour, mfc=face, zorder=3)
                if of["bound"] is not None:
                    ends = sorted((of["value"], of["bound"]))
                    axes.vlines([level["load"]], *ends, color=colour, lw=1.2)
            axes.set_ylabel(axis_name(kept, name))
            limit = kept["limits"][name]
            axes.set_ylim(0, max(axes.get_ylim()[1], 1.15 * limit))
            reference(axes, limit, "limit", upright=False)
            if kept["most"] is not None:
                reference(axes, kept["most"], f"N* = {kept['most']:g}")
        panels[-1].set_xlabel(
            "load: calls at once (blue: holds by its bound; hollow: the callers were late)"
        )
        figure.canvas.draw()
    return figure


def axis_name(kept: Mapping[str, Any], name: str) -> str:
    """A limit's figure with its unit.

    Args:
        kept: ``capacity`` of a run's ``run.json``.
        name: The limit, one of its ``slos``.
    """
    return f"{name.partition('<=')[0].partition('>=')[0]}, {kept['units'][name]}"


def png_of(kept: Mapping[str, Any]) -> bytes:
    """The picture as a PNG."""
    buffer = io.BytesIO()
    draw_capacity(kept).savefig(buffer, format="png", dpi=200)
    return buffer.getvalue()
