"""The picture of ``duplex-lab endpointing``: cut-offs against waiting, a line a method."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bench.report.plots.style import COLUMN_IN, DASHED, FAINT, PALETTE, RC

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HIGH_IN = 3.2
WIDEST_S = 2.0


@dataclass(frozen=True, slots=True)
class Line:
    """A method's best policies, and what its own does."""

    name: str
    """Its name in the legend."""
    points: Sequence[tuple[float, float]]
    """(mean wait after the end in s, share of the pauses cut), the fastest first."""
    own: tuple[float, float] | None = None
    """The same of its own policy, computing included; None: it has none."""


def draw(lines: Sequence[Line]) -> Figure:
    """Draws the lines; the last is drawn in grey: time alone."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(RC):
        figure = Figure(figsize=(COLUMN_IN * 1.4, HIGH_IN))
        axes = figure.add_subplot()
        dashes = list(DASHED.values())
        for i, line in enumerate(lines):
            colour = FAINT if line is lines[-1] else PALETTE[i % len(PALETTE)]
            xs, ys = [p[0] for p in line.points], [100 * p[1] for p in line.points]
            axes.plot(
                xs, ys, drawstyle="steps-post", color=colour, ls=dashes[i % 4], label=line.name
            )
            if line.own is not None:
                axes.plot([line.own[0]], [100 * line.own[1]], "o", color=colour, clip_on=False)
        axes.set(xlim=(0, WIDEST_S), ylim=(0, None))
        axes.set_xlabel("mean wait after the end of the turn, s")
        axes.set_ylabel("pauses taken for the end, %")
        axes.legend()
    return figure


def bytes_of(lines: Sequence[Line], form: Literal["png", "svg"]) -> bytes:
    """The picture as a file."""
    buffer = io.BytesIO()
    metadata = {"Date": None} if form == "svg" else None
    draw(lines).savefig(buffer, format=form, metadata=metadata, dpi=180)
    return buffer.getvalue()
