"""report.png: where the milliseconds between the user and the agent go, per preset, at a glance."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.report.plots.frames import HEIGHT_PX, draw_duplex
from bench.store.atomic import atomic_write
from bench.summary.references import CLAIM, CLAIM_MS, REFERENCES
from bench.summary.stack import COLOURS, LABELS, UNSPLIT, bar, stack
from bench.summary.summary import PresetSummary, RunSummary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT = "#222222", "#777777"

WIDTH_PX, DPI = 1600, 100
FOOTER_PX = 55
BAR, DOTS = 0.34, 0.16
"""Height of a bar, and spread of the dots below it, in rows."""


def write_report(path: Path, summary: RunSummary) -> None:
    """Draws a run's report and writes it, whole or not at all.

    Args:
        path: The ``.png`` to write.
        summary: The run.

    Raises:
        StoreError: the file can't be written.
    """
    figure = draw_report(summary)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI)
    atomic_write(path, buffer.getvalue())


def draw_report(summary: RunSummary) -> Figure:
    """Draws a run's report, 1600 px wide and as high as its presets need.

    Duplex presets have four panels more, below the common part.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = summary.presets
    frames_px = HEIGHT_PX if summary.duplex else 0
    latency_px = 340 + 170 * max(1, len(shown))
    height_px = latency_px + frames_px
    figure = Figure(figsize=(WIDTH_PX / DPI, height_px / DPI), facecolor="white", dpi=DPI)
    FigureCanvasAgg(figure)
    below_px = 120 + frames_px
    axes = figure.add_axes(
        (0.18, below_px / height_px, 0.79, 1 - (below_px + 175) / height_px), facecolor="white"
    )
    low, high = _limits(shown)
    _references(axes, low, high)
    if low < 0:
        axes.axvline(0, color=INK, lw=1.0, zorder=1)
    for row, preset in enumerate(shown):
        _bar(axes, row, preset, low, high)
    axes.set_xlim(low, high)
    axes.set_ylim(len(shown) - 0.4, -0.5)
    axes.set_yticks([])
    axes.tick_params(axis="x", labelsize=13, colors=INK)
    axes.set_xlabel(
        "ms after the user's last audible sample, until the agent's first one", fontsize=14
    )
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    for row, preset in enumerate(shown):
        _name(axes, row, preset)
    _title(figure, height_px)
    _legend(figure, shown, height_px)
    _footer(figure, summary, height_px)
    if summary.duplex:
        draw_duplex(figure, summary.duplex, FOOTER_PX)
    return figure


def _limits(presets: Sequence[PresetSummary]) -> tuple[float, float]:
    """The range of the time axis: all bars and intervals, with room for their figures.

    A few very slow or very early turns would squeeze the rest; they are counted at the edges
    instead.
    """
    highest, lowest = [700.0], [0.0]
    for preset in presets:
        lowest += [preset.p50.low or 0.0, preset.p50.value or 0.0]
        lowest.append(sum(min(0.0, ms) for _, ms in stack(preset)))
        highest += [preset.p50.high or preset.p50.value or 0.0]
        highest.append(sum(max(0.0, ms) for _, ms in stack(preset)))
    early = any(value < 0 for preset in presets for value in preset.values)
    low = min(min(lowest), -0.12 * max(highest) if early else 0.0)
    return (low * 1.1 if low < 0 else 0.0), 1.45 * max(highest)


def _references(axes: Axes, low: float, high: float) -> None:
    """The reference lines, named above the plot."""
    axes.axvspan(CLAIM_MS[0], min(CLAIM_MS[1], high), color="#EFEFEF", zorder=0, lw=0)
    _above(axes, CLAIM_MS[0], CLAIM[0], CLAIM[1], "left")
    for ms, name, line in REFERENCES:
        style: dict[str, Any] = {"color": FAINT, "lw": 1.3, "ls": (0, (4, 3))}
        axes.axvline(ms, zorder=1, **style)
        axes.annotate(  # on, up to its name
            "",
            (ms, 1.0),
            xycoords=axes.get_xaxis_transform(),
            xytext=(0, 17 + 16 * line),
            textcoords="offset points",
            arrowprops={"arrowstyle": "-", "shrinkA": 0, "shrinkB": 0, **style},
        )
        # 160 and 200 lie close together: their names lean away from each other.
        gap = 0.003 * (high - low)
        if ms == REFERENCES[0][0]:
            _above(axes, ms - gap, name, line, "right")
        else:
            _above(axes, ms + gap, name, line, "left")


def _above(axes: Axes, ms: float, name: str, line: int, side: str) -> None:
    """A name above the plot, ``line`` lines of text up."""
    axes.annotate(
        name,
        (ms, 1.0),
        xycoords=axes.get_xaxis_transform(),
        xytext=(0, 5 + 16 * line),
        textcoords="offset points",
        ha=side,
        va="bottom",
        fontsize=12,
        color=FAINT,
    )


def _bar(axes: Axes, row: int, preset: PresetSummary, low: float, high: float) -> None:
    """One preset: the stacked medians, the STT inside the endpointing delay, p50 and every turn."""
    if preset.p50.value is None:
        why = _why_empty(preset)
        box = {"facecolor": "white", "edgecolor": "none", "pad": 2.0}
        common: dict[str, Any] = {"fontsize": 13, "color": INK, "zorder": 5, "bbox": box}
        axes.text(0.01 * high, row, why, ha="left", va="center", **common)
        return
    right = left = 0.0
    for name, ms in bar(preset):
        if not ms:
            continue
        start = right if ms >= 0 else left
        axes.barh(
            row, ms, BAR, left=start, color=COLOURS[name], zorder=3, edgecolor="white", lw=0.8
        )
        room = abs(ms) / high
        if name != "residual" and room > 0.022:
            axes.text(
                start + ms / 2,
                row,
                _number(ms),
                ha="center",
                va="center",
                fontsize=13,
                color="black",
                zorder=5,
            )
        right, left = (right + ms, left) if ms >= 0 else (right, left + ms)
    _stt(axes, row, preset)
    _turns(axes, row, preset, low, high)
    _median(axes, row, preset, high)


def _stt(axes: Axes, row: int, preset: PresetSummary) -> None:
    """The STT tail, hatched inside the endpointing delay, up to the final transcript."""
    final, tail = preset.median("stt_final"), preset.median("stt_tail")
    if final is None or not tail:
        return
    axes.barh(
        row + BAR / 2 - 0.035,
        tail,
        0.07,
        left=final - tail,
        facecolor="#FFFFFFB0",
        edgecolor=INK,
        hatch="/////",
        lw=0.6,
        zorder=4,
    )


def _median(axes: Axes, row: int, preset: PresetSummary, high: float) -> None:
    """The interval of p50 above the bar, and its value beside it."""
    p50 = preset.p50
    if p50.value is None:
        return
    y = row - BAR / 2 - 0.09
    if p50.low is not None and p50.high is not None:
        axes.plot([p50.low, p50.high], [y, y], color=INK, lw=2.2, zorder=6)
        for end in (p50.low, p50.high):
            axes.plot([end, end], [y - 0.035, y + 0.035], color=INK, lw=2.2, zorder=6)
    axes.plot([p50.value], [y], marker="D", ms=8, color=INK, zorder=7)
    end = max(p50.high or p50.value, p50.value)
    interval = (
        f"  [{_number(p50.low)} – {_number(p50.high)}]"
        if p50.low is not None and p50.high is not None
        else f"  (n {p50.n} < {p50.need}: no interval)"
    )
    axes.text(
        end + 0.012 * high,
        y,
        f"p50 {_number(p50.value)} ms{interval}",
        ha="left",
        va="center",
        fontsize=14,
        fontweight="bold",
        color=INK,
        zorder=8,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0, "alpha": 0.85},
    )


def _number(ms: float) -> str:
    return f"{ms:.0f}".replace("-", "−")


def _why_empty(preset: PresetSummary) -> str:
    if preset.weights == "synthetic":
        return "synthetic weights: no figures of a conversation"
    return f"no valid turn of {preset.turns}"


def _turns(axes: Axes, row: int, preset: PresetSummary, low: float, high: float) -> None:
    """Every valid turn as a small dot under the bar, and the number beyond the axis."""
    values = np.asarray(preset.values)
    rng = np.random.default_rng(0)
    y = row + BAR / 2 + 0.06 + rng.uniform(0, DOTS, len(values))
    inside = (values <= high) & (values >= low)
    axes.scatter(values[inside], y[inside], s=15, color=INK, alpha=0.45, lw=0, zorder=4)
    edges = (
        (values > high, high, "right", "{n} slower, up to {most:.0f} ms ▸"),
        (values < low, low, "left", "◂ {n} before the user had ended, from {least:.0f} ms"),
    )
    for beyond, at, align, words in edges:
        if beyond.any():
            axes.text(
                at,
                row + BAR / 2 + 0.06 + DOTS + 0.09,
                words.format(n=int(beyond.sum()), most=values.max(), least=values.min()),
                ha=align,
                va="center",
                fontsize=12,
                color=INK,
                zorder=8,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
            )


def _name(axes: Axes, row: int, preset: PresetSummary) -> None:
    """The preset's name, and how many turns are valid and why others are not, left of its bar."""
    left = axes.get_yaxis_transform()
    name = preset.preset if len(preset.preset) <= 26 else f"{preset.preset[:25]}…"
    size = 15 if len(name) <= 20 else 12
    common: dict[str, Any] = {"transform": left, "ha": "right", "color": INK}
    axes.text(-0.015, row - 0.04, name, va="bottom", fontsize=size, fontweight="bold", **common)
    invalid = "–" if preset.invalid_rate is None else f"{100 * preset.invalid_rate:.0f} %"
    none = "–" if preset.unanswered_rate is None else f"{100 * preset.unanswered_rate:.0f} %"
    counts = f"{len(preset.values)} of {preset.turns} turns"
    if preset.p50.n < len(preset.values):  # repeats of a turn count once
        counts += f", n {preset.p50.n}"
    axes.text(-0.015, row + 0.03, counts, va="top", fontsize=12, **common)
    why = f"invalid {invalid}, no answer {none}"
    axes.text(-0.015, row + 0.16, why, va="top", fontsize=12, **common)
    if preset.weights != "trained":
        axes.text(
            -0.015, row + 0.29, preset.weights, va="top", fontsize=12, style="italic", **common
        )


def _title(figure: Figure, height_px: int) -> None:
    figure.text(
        0.012,
        1 - 22 / height_px,
        "Where the milliseconds go: voice to voice, as heard",
        fontsize=21,
        fontweight="bold",
        color=INK,
        va="top",
    )


def _legend(figure: Figure, presets: Sequence[PresetSummary], height_px: int) -> None:
    """One line under the title."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    whole = any(bar(p)[0][0] == UNSPLIT for p in presets if p.p50.value is not None)
    names = [name for name in COLOURS if whole or name != UNSPLIT]
    entries: list[Any] = [Patch(color=COLOURS[name], label=LABELS[name]) for name in names]
    entries.insert(1, Patch(facecolor="white", edgecolor=INK, hatch="/////", label="STT inside it"))
    entries += [
        Line2D([], [], marker="D", color=INK, lw=2.2, ms=7, label="median, 95 % interval"),
        Line2D([], [], marker="o", color=INK, lw=0, ms=4, alpha=0.5, label="one turn"),
    ]
    figure.legend(
        handles=entries,
        loc="upper left",
        bbox_to_anchor=(0.007, 1 - 62 / height_px),
        ncols=len(entries),
        fontsize=12.5,
        frameon=False,
        handlelength=1.5,
        columnspacing=1.5,
        borderaxespad=0.0,
    )


def _footer(figure: Figure, summary: RunSummary, height_px: int) -> None:
    """The machine and time of the measurement, and how to read a stack of medians."""
    machine = summary.info.get("machine") or {}
    cores = machine.get("cores_allowed") or machine.get("cores")
    where = str(machine.get("cpu") or "unknown machine") + (f", {cores} cores" if cores else "")
    where = f"{machine['name']}: {where}" if machine.get("name") else where
    parts = [f"run {summary.run_id}", where, summary.started_utc[:10]]
    error_ms = summary.calibration_error_ms
    if error_ms is not None:
        parts.append(f"largest error of its clicks {error_ms:.2f} ms")
    common: dict[str, Any] = {"fontsize": 11.5, "color": FAINT, "va": "bottom"}
    figure.text(0.012, 30 / height_px, "  ·  ".join(part for part in parts if part), **common)
    how = (
        "Bars: medians of each part, which need not add up to the median of the whole. "
        "Turns that are not valid or had no answer are left out; the left says how many remain."
    )
    figure.text(0.012, 10 / height_px, how, **common)
