"""The duplex half of report.png: each frame against its 80 ms, its stages, and the backlog."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.summary.colours import STAGES as COLOURS
from bench.summary.colours import look
from bench.summary.frames import DuplexSummary
from bench.timeline.frame_times import STAGES, backlog_ms, inter_frame_ms
from bench.timeline.frames import DISCARDED, FRAME_MS, Floats, Frames
from bench.timeline.replay import stream_of_frames, sweep

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, FAINT = "#222222", "#777777"
MOST = 4
"""Largest number of presets that the panels hold; the page shows all."""

HEIGHT_PX = 1000
"""Height of the four panels and their heading."""
PREROLLS_MS = range(0, 501, 25)
SMOOTHED = 12
"""Number of frames (about 1 s) whose median is a point of a stage's area."""


def draw_duplex(figure: Figure, presets: Sequence[DuplexSummary], bottom_px: float) -> None:
    """Draws the four panels into a strip of a figure.

    Args:
        figure: The strip is `HEIGHT_PX` high and as wide as the figure.
        presets: At least one.
        bottom_px: Where the strip begins, from the figure's lower edge.
    """
    height_px = figure.get_figheight() * figure.dpi

    def axes_at(left: float, low_px: float, width: float, high_px: float) -> Axes:
        return figure.add_axes(
            (left, (bottom_px + low_px) / height_px, width, high_px / height_px), facecolor="white"
        )

    def heading(left: float, low_px: float, title: str, below: str = "") -> None:
        y = (bottom_px + low_px) / height_px
        bold: dict[str, Any] = {"fontsize": 15, "fontweight": "bold", "color": INK}
        figure.text(left, y, title, va="bottom", **bold)
        figure.text(left, y - 3 / height_px, below, va="top", fontsize=12, color=FAINT)

    shown = [p for p in presets if p.conversations][:MOST]
    figure.text(
        0.012,
        (bottom_px + HEIGHT_PX - 16) / height_px,
        f"Frame by frame: {FRAME_MS:.0f} ms of sound are to be answered every {FRAME_MS:.0f} ms",
        fontsize=21,
        fontweight="bold",
        color=INK,
        va="top",
    )
    if not shown:
        y = (bottom_px + HEIGHT_PX - 70) / height_px
        figure.text(0.012, y, "No conversation counts.", fontsize=14, color=INK, va="top")
        return
    _legend(figure, shown, 1 - (height_px - bottom_px - HEIGHT_PX + 54) / height_px)
    heading(0.012, 860, "Time between output frames", "share of frames that took longer")
    _inter_frame(axes_at(0.062, 555, 0.40, 268), shown)
    heading(
        0.52, 860, "Where a frame's time goes", "ms; dots: each frame, start to end of its work"
    )
    width = 0.41 / len(shown)
    for i, preset in enumerate(shown):
        at = axes_at(0.565 + i * width, 555, width - 0.012, 255)
        _stages(at, preset, is_first=i == 0, room=_highest_work(shown))
    _stage_legend(figure, 0.978, (bottom_px + 478) / height_px)
    heading(0.012, 420, "Audio that waits for the model", "ms offered and not yet consumed")
    _backlog(figure, axes_at(0.062, 60, 0.40, 325), shown)
    heading(
        0.52,
        420,
        "Playout behind a jitter buffer with pre-roll B",
        "full line: as it came; dashed: stretched while the queue is short, pitch kept",
    )
    _playout(axes_at(0.565, 240, 0.41, 145), axes_at(0.565, 60, 0.41, 145), shown)


def _legend(figure: Figure, shown: Sequence[DuplexSummary], y: float) -> None:
    """The legend: the colour of each preset, and how much it measured."""
    from matplotlib.lines import Line2D

    entries = [
        Line2D(
            [],
            [],
            color=look(p.preset).light,
            lw=4,
            label=f"{p.preset}, {p.weights}: {_count(len(p.conversations))}, {p.frames} frames",
        )
        for p in shown
    ]
    figure.legend(
        handles=entries,
        loc="upper left",
        bbox_to_anchor=(0.007, y),
        ncols=2 if len(entries) > 2 else len(entries),
        fontsize=12.5,
        frameon=False,
        handlelength=1.5,
        columnspacing=2.0,
        borderaxespad=0.0,
    )


def _count(conversations: int) -> str:
    return "1 conversation" if conversations == 1 else f"{conversations} conversations"


def _plain(axes: Axes) -> None:
    axes.tick_params(labelsize=12, colors=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _budget(axes: Axes, *, upright: bool, label: str = "") -> None:
    """The line of 80 ms."""
    line = axes.axvline if upright else axes.axhline
    line(FRAME_MS, color=INK, lw=1.4, ls=(0, (4, 3)), zorder=1 if upright else 4)
    if label and upright:
        left, right = axes.get_xlim()
        # Left of its line, as long as there is room before the axis.
        room = (FRAME_MS - left) / (right - left) > 0.3
        axes.annotate(
            label,
            (FRAME_MS, 0.0),
            xycoords=axes.get_xaxis_transform(),
            xytext=(-6 if room else 6, 5),
            textcoords="offset points",
            ha="right" if room else "left",
            va="bottom",
            fontsize=12,
            color=INK,
        )


def _inter_frame(axes: Axes, shown: Sequence[DuplexSummary]) -> None:
    """1 − the distribution function, on a log scale: its tail is what a listener hears."""
    from matplotlib.ticker import FuncFormatter

    _plain(axes)
    high = 2 * FRAME_MS
    least = 1.0
    for preset in shown:
        colour = look(preset.preset).light
        found = [inter_frame_ms(one.frames) for one in preset.conversations]
        values = np.sort(np.concatenate(found))
        if len(values) == 0:
            continue
        share = 1 - np.arange(len(values)) / len(values)
        axes.step(values, share, where="pre", color=colour, lw=2.4, zorder=3)
        high = max(high, float(np.quantile(values, 0.999)) * 1.1)
        least = min(least, float(share[-1]))
        beyond = int((values > high).sum())
        if beyond:
            axes.annotate(
                f"{beyond} longer ▸",
                (high, share[-1]),
                xytext=(0, 5),
                textcoords="offset points",
                ha="right",
                fontsize=12,
                color=colour,
            )
    axes.set_yscale("log")
    axes.set_ylim(least / 2, 1.5)
    axes.set_xlim(0, high)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:g} %"))
    axes.minorticks_off()
    axes.set_xlabel("ms between two frames, as they are emitted", fontsize=13, color=INK)
    _budget(axes, upright=True, label="80 ms budget")


def _longest(preset: DuplexSummary) -> Frames:
    return preset.conversations[0].frames


def _work_ms(frames: Frames) -> Floats:
    """(n,) ms from the start to the end of each frame's work."""
    return frames.between("start", "done")


def _highest_work(shown: Sequence[DuplexSummary]) -> float:
    found = [_work_ms(_longest(p))[DISCARDED:] for p in shown]
    known = np.concatenate([values[np.isfinite(values)] for values in found])
    return max(1.25 * FRAME_MS, 1.1 * float(np.quantile(known, 0.995)) if len(known) else 0.0)


def _stages(axes: Axes, preset: DuplexSummary, *, is_first: bool, room: float) -> None:
    """The stages' times, stacked, over the longest conversation; each frame's work as a dot."""
    _plain(axes)
    frames = _longest(preset)
    work = _work_ms(frames)
    at_s = frames.at_ms["start"] / 1e3
    counts = np.isfinite(work) & (np.arange(len(frames)) >= DISCARDED)
    axes.set_ylim(0, room)
    name = preset.preset.removeprefix("duplex-")
    axes.set_title(
        name, fontsize=12, color=look(preset.preset).light, loc="left", fontweight="bold", pad=4
    )
    axes.set_xlabel("s", fontsize=12, color=INK, labelpad=2)
    if not is_first:
        axes.set_yticklabels([])
    _budget(axes, upright=False)
    if not counts.any():
        axes.text(0.5, 0.5, "not stamped", transform=axes.transAxes, ha="center", color=FAINT)
        return
    points = counts.sum() // SMOOTHED * SMOOTHED
    if points:
        index = np.flatnonzero(counts)[:points].reshape(-1, SMOOTHED)
        areas = []
        for start, end in STAGES.values():
            spans = np.nan_to_num(frames.between(start, end))
            areas.append(np.median(spans[index], axis=1))
        axes.stackplot(
            np.median(at_s[index], axis=1),
            areas,
            colors=[COLOURS[name] for name in STAGES],
            lw=0,
            alpha=0.9,
            zorder=2,
        )
    inside = counts & (work <= room)
    axes.scatter(at_s[inside], work[inside], s=2.5, color=INK, alpha=0.35, lw=0, zorder=3)
    beyond = int((counts & (work > room)).sum())
    if beyond:
        words = f"{beyond} above, to {np.nanmax(work):.0f} ms"
        axes.text(0.98, 0.985, words, transform=axes.transAxes, ha="right", va="top", fontsize=11)
    axes.set_xlim(0, float(at_s[counts].max()))


def _stage_legend(figure: Figure, right: float, y: float) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    entries: list[Any] = [
        Patch(color=c, label=name) for name, c in COLOURS.items() if name in STAGES
    ]
    entries.append(Line2D([], [], color=INK, lw=1.4, ls=(0, (4, 3)), label="80 ms budget"))
    figure.legend(
        handles=entries,
        loc="lower right",
        bbox_to_anchor=(right, y),
        ncols=4,
        fontsize=12,
        frameon=False,
        handlelength=1.5,
        columnspacing=1.2,
        borderaxespad=0.0,
    )


def _backlog(figure: Figure, axes: Axes, shown: Sequence[DuplexSummary]) -> None:
    """One line per preset, over its longest conversation: linear up to a frame, then
    logarithmic.
    """
    _plain(axes)
    ends: list[tuple[float, float, str, str]] = []
    for preset in shown:
        colour = look(preset.preset).light
        at_ms, waiting = backlog_ms(_longest(preset))
        if len(at_ms) == 0:
            continue
        axes.plot(at_ms / 1e3, waiting, color=colour, lw=1.6, zorder=3)
        grows = "" if preset.drift is None else f"{preset.drift:+.1f} ms/s".replace("-", "−")
        ends.append((at_ms[-1] / 1e3, float(np.median(waiting[-25:])), grows, colour))
    highest = max([FRAME_MS, *(p.backlog_max or 0 for p in shown)])
    axes.set_yscale("symlog", linthresh=FRAME_MS, linscale=1.0)
    axes.set_ylim(0, highest * 2)
    ticks = [
        t for t in (0, 20, 40, 80, 200, 500, 1000, 2000, 5000, 10000, 20000) if t < highest * 2
    ]
    axes.set_yticks(ticks, [f"{t}" for t in ticks])
    axes.set_yticks([], minor=True)
    axes.axhline(FRAME_MS, color=INK, lw=1.4, ls=(0, (4, 3)), zorder=1)
    last = max((at for at, *_ in ends), default=1.0)
    axes.set_xlim(0, last * 1.17)
    axes.annotate(
        "one frame (80)",
        (last * 1.17, FRAME_MS),
        xytext=(0, 4),
        textcoords="offset points",
        ha="right",
        fontsize=12,
        color=INK,
    )
    _end_labels(figure, axes, ends)
    axes.set_xlabel("s into the longest conversation", fontsize=13, color=INK)


def _end_labels(figure: Figure, axes: Axes, ends: Sequence[tuple[float, float, str, str]]) -> None:
    """The drifts at the lines' ends, moved apart where lines end together."""
    axes.apply_aspect()
    taken: list[float] = []
    # From below: a label that would cover another is moved up.
    for x, y, words, colour in sorted(ends, key=lambda end: end[1]):
        pixel = float(axes.transData.transform((x, y))[1])
        least = max(pixel, float(axes.transData.transform((x, 0))[1]) + 12)
        wanted = least if not taken else max(least, taken[-1] + 22)
        budget = float(axes.transData.transform((x, FRAME_MS))[1])
        if 0 <= wanted - budget < 24 or -14 < wanted - budget < 0:
            wanted = budget + 28  # clear of the label at the line of one frame
        taken.append(wanted)
        axes.annotate(
            words,
            (x, y),
            xytext=(6, (wanted - pixel) * 72 / figure.dpi),
            textcoords="offset points",
            fontsize=12,
            fontweight="bold",
            va="center",
            color=colour,
        )


def _playout(above: Axes, below: Axes, shown: Sequence[DuplexSummary]) -> None:
    """Silence per minute and added delay over B, as it came and stretched."""
    most = 1.0
    for preset in shown:
        colour = look(preset.preset).light
        stream = stream_of_frames(_longest(preset))
        if not stream.emissions:
            continue
        for played, style in zip(
            zip(*sweep([stream], PREROLLS_MS), strict=True), ("-", (0, (2.5, 1.5))), strict=True
        ):
            b_ms = [p.preroll_ms for p in played]
            silent = [p.silent_ms / (p.heard_s / 60) for p in played]
            most = max(most, *silent)
            above.plot(b_ms, silent, color=colour, lw=2.2, ls=style, zorder=3)
            delays = [p.delay_p50_ms for p in played]
            below.plot(b_ms, delays, color=colour, lw=2.2, ls=style, zorder=3)
    for axes in (above, below):
        _plain(axes)
        axes.set_xlim(0, 500)
    above.set_yscale("symlog", linthresh=10, linscale=0.6)
    above.set_ylim(0, most * 2)
    ticks = [t for t in (0, 10, 100, 1000, 10000) if t <= most * 2]
    above.set_yticks(ticks, [f"{t}" for t in ticks])
    above.set_yticks([], minor=True)
    above.set_xticklabels([])
    below.set_ylim(0, None)
    for axes, words in ((above, "silent ms\nper minute"), (below, "added delay\n(median, ms)")):
        axes.set_ylabel(words, fontsize=12, color=INK)
    below.set_xlabel("B, ms", fontsize=13, color=INK)
