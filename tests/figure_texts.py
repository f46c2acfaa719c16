"""The texts of a figure, and which of them lie over one another: for tests of pictures."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # slow to import: not while tests are collected
    from matplotlib.figure import Figure
    from matplotlib.text import Text


def texts(figure: Figure) -> list[Text]:
    """All texts but the numbers of the axes, which matplotlib itself keeps apart."""
    from matplotlib.axis import XTick, YTick
    from matplotlib.text import Text

    ticks = {
        id(text)
        for axes in figure.axes
        for kind in (XTick, YTick)
        for tick in axes.findobj(kind)
        for text in tick.findobj(Text)
    }
    found = figure.findobj(
        lambda artist: isinstance(artist, Text) and bool(artist.get_text().strip())
    )
    return [t for t in found if isinstance(t, Text) and id(t) not in ticks]


def overlaps(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of texts whose boxes meet, and texts that leave the picture."""
    figure.draw_without_rendering()
    boxes = [(t.get_text(), t.get_window_extent()) for t in texts(figure)]
    bad = [(a, b) for (a, box), (b, other) in combinations(boxes, 2) if box.overlaps(other)]
    width, height = figure.bbox.width, figure.bbox.height
    for text, box in boxes:
        if box.x0 < 0 or box.y0 < 0 or box.x1 > width or box.y1 > height:
            bad.append((text, "edge of the picture"))
    return bad
