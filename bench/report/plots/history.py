"""The picture of ``duplex-lab history``: a metric's median over time, a line per preset."""

from __future__ import annotations

import importlib
import io
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bench.compare.history import History, Point
from bench.report.plots.style import PAGE_IN, RC, dash, legend_above
from bench.summary.colours import look

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_history(history: History) -> Figure:
    """Draws each run's median with its interval; hollow where n is too small for one."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    dates: Any = importlib.import_module("matplotlib.dates")  # it has no types
    lines: dict[str, list[tuple[float, Point]]] = {}
    for point in history.points:
        begun = _date(point.date)
        if begun is not None and point.p50.value is not None:
            at = float(dates.date2num(begun))
            lines.setdefault(name_of(point), []).append((at, point))
    with mpl.rc_context(RC):
        figure = Figure(figsize=(PAGE_IN, 3.0), dpi=200, facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        subjects: dict[str, int] = {}  # preset → how many of its lines are drawn
        for name, points in lines.items():
            preset = points[0][1].preset
            colour, number = look(preset).light, subjects.get(preset, 0)
            subjects[preset] = number + 1
            x = [at for at, _ in points]
            y = [point.p50.value or 0.0 for _, point in points]
            axes.plot(x, y, color=colour, ls=dash(preset, number), lw=1.0, label=name)
            for (at, point), value in zip(points, y, strict=True):
                low, high = point.p50.low, point.p50.high
                face = colour if low is not None else "white"
                axes.plot(at, value, "o", ms=3.5, color=colour, mfc=face, zorder=3)
                if low is not None and high is not None:
                    axes.vlines([at], low, high, color=colour, lw=1.0)
        locator = dates.AutoDateLocator()
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(dates.ConciseDateFormatter(locator))
        axes.set_ylabel(f"{history.metric}, p50{', ' + history.unit if history.unit else ''}")
        axes.set_ylim(min(0.0, *axes.get_ylim()), None)
        axes.set_xlabel("run begun (hollow: too few turns for an interval)")
        if lines:
            legend_above(figure, axes, 3)
        figure.canvas.draw()
    return figure


def png_of(history: History) -> bytes:
    """The picture as a PNG."""
    buffer = io.BytesIO()
    draw_history(history).savefig(buffer, format="png", dpi=200)
    return buffer.getvalue()


def name_of(point: Point) -> str:
    """The preset, and the subject of the figure."""
    return point.preset if point.subject is None else f"{point.preset}: {point.subject}"


def _date(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return None
