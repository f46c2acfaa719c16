"""The figures of a run's latency: its parts, its spread, and what the event log leaves out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.report.figures.panel import Material, Panel, letters
from bench.report.plots.style import FAINT, INK, dash, marker
from bench.stats.format import number
from bench.summary.colours import look
from bench.summary.references import CLAIM_MS, REFERENCES
from bench.summary.stack import COLOURS, LABELS, bar
from bench.summary.summary import PresetSummary

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW_MM = 11.0
"""Height of a preset's bar with its name."""
CURVES_MM = 58.0
"""Height of a figure with curves."""
WIDEST = 1.6
"""End of an axis of times, in multiples of the largest median, unless all turns lie before."""


def _with_p50(material: Material) -> list[PresetSummary]:
    return [p for p in material.summary.presets if p.p50.value is not None]


def _along(axes: Axes, high: float) -> None:
    """The axis of times, with the reference lines; their figures stand above it."""
    axes.set_xlim(0, high)
    axes.set_xlabel("ms after the user's last audible sample")
    axes.axvspan(CLAIM_MS[0], min(CLAIM_MS[1], high), color="#EFEFEF", lw=0, zorder=0)
    taken = -1.0
    for ms in (*(ms for ms, *_ in REFERENCES), CLAIM_MS[0]):
        if ms >= high:
            continue
        if ms != CLAIM_MS[0]:
            axes.axvline(ms, color=FAINT, lw=0.7, ls=(0, (4, 3)), zorder=1)
        text = f"{ms:.0f}" if ms != CLAIM_MS[0] else f"{CLAIM_MS[0]:.0f}–{CLAIM_MS[1]:.0f}"
        room = high * 0.012 * (len(text) + 3) * 89 / _wide_mm(axes)
        right = ms == REFERENCES[0][0]
        start = ms - room if right else ms
        if start < taken:
            continue
        taken = start + room
        axes.annotate(
            text,
            (ms, 1),
            xycoords=axes.get_xaxis_transform(),
            xytext=(-1 if right else 1, 1),
            textcoords="offset points",
            ha="right" if right else "left",
            va="bottom",
            fontsize=6.5,
            color=FAINT,
        )


def _wide_mm(axes: Axes) -> float:
    return float(axes.get_figure(root=True).get_figwidth() * 25.4)  # type: ignore[union-attr]


# Parts


def bars(axes: Axes, material: Material) -> None:
    """The medians of an answer's parts, one bar a preset, with p50 above it."""
    from matplotlib.patheffects import withStroke

    shown = _with_p50(material)
    ends = [sum(max(0.0, ms) for _, ms in bar(p)) for p in shown]
    tops = [max(p.p50.value or 0.0, p.p50.high or 0.0) for p in shown]
    high = 1.08 * max([600.0, *ends, *tops])
    for row, p in enumerate(shown):
        _bar(axes, row, bar(p), high)
        _median(axes, row, p)
        interval = f" [{number(p.p50.low)} – {number(p.p50.high)}]" if p.p50.low is not None else ""
        said = f"{number(p.p50.value)}{interval} ms, n {p.p50.n}"
        name = axes.text(0, row - 0.3, letters(p.preset), va="bottom", fontsize=7)
        name.set_fontweight("bold")
        median = axes.text(high, row - 0.3, said, va="bottom", ha="right", fontsize=7)
        for text in (name, median):  # the reference lines end beside the letters
            text.set_path_effects([withStroke(linewidth=2, foreground="white")])
    axes.set_ylim(len(shown) - 0.45, -0.75)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    _along(axes, high)
    _legend(axes, material)


def _bar(axes: Axes, row: int, parts: Sequence[tuple[str, float]], high: float) -> None:
    end = 0.0
    for name, ms in parts:
        if ms <= 0:
            continue
        axes.barh(row, ms, 0.34, left=end, color=COLOURS[name], edgecolor="white", lw=0.4, zorder=3)
        text = number(ms)
        if name != "residual" and ms > high * 0.02 * len(text) * 89 / _wide_mm(axes):
            axes.text(end + ms / 2, row, text, ha="center", va="center", fontsize=6.5, zorder=5)
        end += ms


def _median(axes: Axes, row: int, p: PresetSummary) -> None:
    y = row + 0.3
    if p.p50.low is not None and p.p50.high is not None:
        axes.plot([p.p50.low, p.p50.high], [y, y], "|-", color=INK, lw=1.0, ms=4, zorder=4)
    axes.plot([p.p50.value or 0.0], [y], "D", color=INK, ms=3, zorder=5)


def _legend(axes: Axes, material: Material) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    drawn = {name for p in _with_p50(material) for name, _ in bar(p)}
    entries: list[Any] = [Patch(color=COLOURS[n], label=LABELS[n]) for n in COLOURS if n in drawn]
    entries.append(Line2D([], [], marker="D", color=INK, ms=3, lw=1.0, label="p50 [95 %]"))
    figure: Any = axes.get_figure(root=True)
    columns = 3 if _wide_mm(axes) < 120 else 7
    figure.legend(handles=entries, loc="outside upper left", ncols=columns, handlelength=1.2)


def _bars_mm(material: Material) -> float:
    rows = len(_with_p50(material))
    return 24.0 + ROW_MM * rows if rows else 0.0


# Spread


def spread(axes: Axes, material: Material) -> None:
    """The share of the turns that was answered within a time, a line a preset."""
    shown = _with_p50(material)
    slowest = max(max(p.values) for p in shown)
    high = min(
        max(700.0, 1.06 * slowest), WIDEST * max([450.0, *(p.p50.value or 0 for p in shown)])
    )
    for p in shown:
        values = np.sort(np.asarray(p.values))
        share = 100 * np.arange(1, len(values) + 1) / len(values)
        own = look(p.preset).light
        beyond = int((values > high).sum())
        more = f", {beyond} slower, to {number(float(values[-1]))} ms" if beyond else ""
        x, y = np.concatenate([[values[0]], values]), np.concatenate([[0], share])
        label = f"{letters(p.preset)} (n {len(values)}{more})"
        axes.step(x, y, where="post", color=own, ls=dash(p.preset), lw=1.1, label=label, zorder=3)
    axes.set_ylim(0, 103)
    axes.set_ylabel("turns answered, %")
    _along(axes, high)
    names(axes)


def names(axes: Axes) -> None:
    """The legend of curves, above them: one line a preset in a column, two beside on a page."""
    figure: Any = axes.get_figure(root=True)
    handles, labels = axes.get_legend_handles_labels()
    columns = 1 if _wide_mm(axes) < 120 or len(labels) < 3 else 2
    figure.legend(handles, labels, loc="outside upper left", ncols=columns)


def curves_mm(count: int) -> float:
    """Height of a figure with curves and so many names above them."""
    return CURVES_MM + 3.6 * count if count else 0.0


# The event log


def _logged(material: Material) -> Mapping[str, list[tuple[float, float]]]:
    """Preset → (heard, heard − logged) of each valid turn, ms."""
    heard: dict[tuple[str, int], float] = {}
    for row in material.rows:
        if row.metric == "voice_to_voice" and row.valid and row.value is not None:
            heard[row.trial_id, row.turn] = row.value
    found: dict[str, list[tuple[float, float]]] = {}
    for row in material.rows:
        of = heard.get((row.trial_id, row.turn))
        if row.metric != "heard_minus_logged" or row.warmup or of is None:
            continue
        if row.valid and row.value is not None:
            found.setdefault(row.preset, []).append((of, row.value))
    return found


def logged(axes: Axes, material: Material) -> None:
    """Each turn: how much longer a person waited than the agent's own event log says."""
    for preset, points in _logged(material).items():
        x, y = zip(*points, strict=True)
        middle = number(float(np.median(y)), "+.0f")
        axes.plot(
            x,
            y,
            marker(preset),
            color=look(preset).light,
            ms=4,
            mew=0,
            alpha=0.75,
            label=f"{letters(preset)} (median {middle} ms, n {len(y)})",
        )
    axes.axhline(0, color=FAINT, lw=0.8, ls=(0, (4, 3)), zorder=1)
    axes.set_xlim(left=min(0.0, axes.get_xlim()[0]))
    axes.set_ylim(min(0.0, axes.get_ylim()[0]), max(0.0, axes.get_ylim()[1]) * 1.1)
    axes.set_xlabel("voice to voice as heard, ms")
    axes.set_ylabel("heard − logged, ms")
    names(axes)


PANELS = (
    Panel(
        "where-the-milliseconds-go",
        "Medians of the parts of an answer, from the user's last audible sample to the agent's "
        "first, and p50 of the whole with its 95 % interval. Medians of parts need not add up to "
        "the median of the whole.",
        _bars_mm,
        bars,
    ),
    Panel(
        "voice-to-voice-spread",
        "Share of the valid turns that was answered within a time after the user's last audible "
        "sample. Dashed: 160 ms duplex floor, 200 ms human gap, 500 ms felt target; grey: "
        "600–900 ms, the claim of a cascade.",
        lambda material: curves_mm(len(_with_p50(material))),
        spread,
    ),
    Panel(
        "heard-minus-logged",
        "How much longer a person waited than the agent's own event log says, each valid turn.",
        lambda material: curves_mm(len(_logged(material))),
        logged,
    ),
)
"""The figures, in the order of the page."""
