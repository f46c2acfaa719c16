"""The style of figures in notebooks: a paper's column or page, in colours that anyone can
distinguish.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from bench.summary.colours import look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMN_IN, PAGE_IN = 3.5, 7.2
"""Width of a column, and of a page with two columns."""
INK, FAINT = "#222222", "#777777"
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Colours of all but presets: Okabe and Ito's, without yellow, which is too pale."""
DASHED: dict[str, Any] = {
    "solid": "-",
    "dash": (0, (5, 1.5)),
    "dot": (0, (1.5, 1.5)),
    "dashdot": "-.",
}
"""Dash → the same for matplotlib."""
MARKERS = {
    "circle": "o",
    "diamond": "D",
    "square": "s",
    "triangle-up": "^",
    "cross": "P",
    "star": "*",
}
"""Symbol → the same for matplotlib."""

RC: Any = {
    "figure.dpi": 180,
    "figure.constrained_layout.use": True,
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "legend.handlelength": 1.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "lines.linewidth": 1.3,
    "lines.markersize": 3.5,
}
"""Settings that differ from matplotlib's own."""


def use() -> None:
    """Applies this style to all figures that follow."""
    import matplotlib as mpl

    mpl.rcParams.update(RC)


def figure(rows: int = 1, columns: int = 1, *, height_in: float, page: bool = False) -> Any:
    """A figure of a column's width (or a page's) and its axes, as `matplotlib.pyplot.subplots`."""
    import matplotlib.pyplot as plt

    return plt.subplots(
        rows, columns, figsize=(PAGE_IN if page else COLUMN_IN, height_in), squeeze=True
    )


def colours(presets: Iterable[str]) -> dict[str, str]:
    """The colour of each preset: by its name, the same in all pictures and on the page."""
    return {name: look(name).light for name in dict.fromkeys(presets)}


def dash(preset: str, step: int = 0) -> Any:
    """A preset's dash for lines, or one of the others by steps from it."""
    names = list(DASHED)
    return DASHED[names[(names.index(look(preset).dash) + step) % len(names)]]


def marker(preset: str) -> str:
    """A preset's symbol for points."""
    return MARKERS[look(preset).symbol]


def reference(axes: Axes, value: float, label: str, *, upright: bool = True, at: float = 1) -> None:
    """A dashed line to read figures against, with its name.

    Args:
        axes: Whose limits are set already.
        value: Where it lies.
        label: Its name.
        upright: A value of the x axis, named above it; else of the y axis.
        at: Where along a lying line its name ends, 0 to 1.
    """
    line = axes.axvline if upright else axes.axhline
    line(value, color=FAINT, lw=0.8, ls=(0, (4, 3)), zorder=1)
    common: dict[str, Any] = {
        "fontsize": 6.5,
        "color": FAINT,
        "textcoords": "offset points",
        "zorder": 5,
    }
    if upright:
        place = axes.get_xaxis_transform()
        offset: dict[str, Any] = {"xytext": (0, 1), "ha": "center", "va": "bottom"}
        axes.annotate(label, (value, 1), xycoords=place, **offset, **common)
    else:
        place = axes.get_yaxis_transform()
        offset = {"xytext": (0, 2), "ha": "right", "va": "bottom"}
        axes.annotate(label, (at, value), xycoords=place, **offset, **common)


def legend_above(fig: Figure, axes: Axes, columns: int) -> None:
    """One legend for all axes of a figure, above them."""
    handles, labels = axes.get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside upper left", ncols=columns)
