"""A figure for a paper: one panel, in one width, as SVG or PDF.

Nothing in it is a raster. Fonts are embedded: a PDF holds them (TrueType), an SVG the outlines of
its letters. The same run gives the same bytes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bench.report.plots.style import RC
from bench.report.text.escape import visible
from bench.store.records import MetricRow
from bench.summary.summary import RunSummary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Format = Literal["svg", "pdf"]
MM_PER_IN = 25.4
PT_PER_MM = 72 / MM_PER_IN
FONT = "DejaVu Sans"
"""The font, which comes with matplotlib: a figure looks the same on every machine."""


@dataclass(frozen=True, slots=True)
class Width:
    """A width of a figure."""

    name: str
    mm: int


WIDTHS = (Width("column", 89), Width("page", 183))
"""Widths of journals: one column of two, and both with the space between."""


@dataclass(frozen=True, slots=True)
class Material:
    """What figures are drawn from."""

    summary: RunSummary
    rows: Sequence[MetricRow]


@dataclass(frozen=True, slots=True)
class Panel:
    """A figure: a row of a table of panels."""

    name: str
    """Beginning of its file's name: what it shows."""
    says: str
    """What it shows, in a sentence."""
    height_mm: Callable[[Material], float]
    """Its height; 0 where the run has nothing to show in it."""
    draw: Callable[[Axes, Material], None]
    """Draws it."""


def drawn(panel: Panel, material: Material, width: Width) -> Figure:
    """One panel as matplotlib's figure, in the style of a paper."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    size_in = (width.mm / MM_PER_IN, panel.height_mm(material) / MM_PER_IN)
    with mpl.rc_context(_style()):
        figure = Figure(figsize=size_in, facecolor="white", layout="constrained")
        FigureCanvasAgg(figure)
        panel.draw(figure.add_subplot(), material)
        figure.draw_without_rendering()
    return figure


def _style() -> Any:
    """Settings of matplotlib for all figures."""
    fonts = {"font.family": FONT, "text.parse_math": False}
    return RC | fonts | {"pdf.fonttype": 42, "svg.fonttype": "path"}


def encoded(figure: Figure, form: Format, title: str, says: str) -> bytes:
    """A figure as a file's contents.

    Args:
        figure: The figure.
        form: SVG or PDF.
        title: Title, for the file's own description.
        says: What it shows, for the same.
    """
    import matplotlib as mpl

    about: dict[str, Any] = (
        {"Title": title, "Description": says, "Date": None}
        if form == "svg"
        else {"Title": title, "Subject": says, "CreationDate": None}
    )
    buffer = io.BytesIO()
    with mpl.rc_context(_style() | {"svg.hashsalt": title}):
        figure.savefig(buffer, format=form, metadata=about)
    return _in_mm(buffer.getvalue()) if form == "svg" else buffer.getvalue()


def _in_mm(svg: bytes) -> bytes:
    """The SVG with the size of the picture in mm, not in points."""

    def mm(found: re.Match[bytes]) -> bytes:
        return b'%s="%.4gmm"' % (found[1], float(found[2]) / PT_PER_MM)

    head, tag, rest = svg.partition(b"<svg ")
    attributes, end, body = rest.partition(b">")
    attributes = re.sub(rb'\b(width|height)="([\d.]+)pt"', mm, attributes)
    return head + tag + attributes + end + body


def files(panels: Sequence[Panel], material: Material, form: Format) -> Iterator[tuple[str, bytes]]:
    """The figures of a run that has something to show in them, in each width.

    Yields:
        The file's name, and its contents.
    """
    for panel in panels:
        if panel.height_mm(material) <= 0:
            continue
        for width in WIDTHS:
            title = f"{panel.name}, {material.summary.run_id}"
            contents = encoded(drawn(panel, material, width), form, title, panel.says)
            yield f"{panel.name}_{width.name}-{width.mm}mm.{form}", contents


def letters(text: str, most: int = 26) -> str:
    """Text written by others, so that the font can draw it: what it lacks is a box.

    Args:
        text: The text.
        most: Largest number of characters, or of half as many boxes, which are wide; the middle of
            a longer text is left out.
    """
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties(family=[FONT])))
    shown = "".join(c if font.get_char_index(ord(c)) else "□" for c in visible(text))
    if len(shown) + shown.count("□") > most:
        most //= 2 if "□" in shown else 1
        return f"{shown[: most - most // 3 - 1]}…{shown[-(most // 3) :]}"
    return shown
