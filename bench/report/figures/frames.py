"""The figures of duplex models: each frame against its 80 ms, its stages, the backlog, playout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bench.report.figures.latency import curves_mm, names
from bench.report.figures.panel import Material, Panel, letters
from bench.report.plots.style import FAINT, INK, dash, reference
from bench.summary.colours import STAGES as COLOURS
from bench.summary.colours import look
from bench.summary.frames import DuplexSummary
from bench.timeline.frame_times import STAGES, backlog_ms, inter_frame_ms
from bench.timeline.frames import DISCARDED, FRAME_MS, Frames
from bench.timeline.replay import Playout, stream_of_frames, sweep
from pipelines.guards.texts import fit_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PREROLLS_MS = range(0, 501, 25)
SMOOTHED = 12
"""Number of frames (about 1 s) whose median is a point of a stage's area."""
BUDGET = f"{FRAME_MS:.0f} ms budget"


def _shown(material: Material) -> list[DuplexSummary]:
    return [p for p in material.summary.duplex if p.conversations]


def _height_mm(material: Material) -> float:
    return curves_mm(len(_shown(material)))


def _longest(preset: DuplexSummary) -> Frames:
    return preset.conversations[0].frames


def _conversations(preset: DuplexSummary) -> str:
    count = len(preset.conversations)
    many = "1 conversation" if count == 1 else f"{count} conversations"
    return f"{letters(preset.preset)} ({preset.weights}, {many})"


def intervals(axes: Axes, material: Material) -> None:
    """The share of frames that took longer than a time, on a logarithmic scale."""
    from matplotlib.ticker import FuncFormatter

    high, least = 2 * FRAME_MS, 1.0
    for preset in _shown(material):
        values = np.sort(np.concatenate([inter_frame_ms(c.frames) for c in preset.conversations]))
        if not len(values):
            continue
        share = 1 - np.arange(len(values)) / len(values)
        high = max(high, 1.02 * float(values[-1]))
        least = min(least, float(share[-1]))
        own = {"color": look(preset.preset).light, "ls": dash(preset.preset)}
        axes.step(values, share, where="pre", lw=1.1, label=_conversations(preset), **own)
    axes.set_yscale("log")
    axes.set_ylim(least / 2, 1.5)
    axes.set_xlim(0, high)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{100 * y:g}"))
    axes.minorticks_off()
    axes.set_xlabel("ms between two output frames")
    axes.set_ylabel("frames that took longer, %")
    reference(axes, FRAME_MS, BUDGET)
    names(axes)


def stages(axes: Axes, preset: DuplexSummary) -> None:
    """The stages' times through the longest conversation, stacked; each frame's work as a dot."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    frames = _longest(preset)
    work, at_s = frames.between("start", "done"), frames.at_ms["start"] / 1e3
    counts = np.isfinite(work) & (np.arange(len(frames)) >= DISCARDED)
    begun = np.flatnonzero(counts)
    index = begun[: len(begun) // SMOOTHED * SMOOTHED].reshape(-1, SMOOTHED)
    if len(index):
        areas = [
            np.median(np.nan_to_num(frames.between(start, end))[index], axis=1)
            for start, end in STAGES.values()
        ]
        middle_s = np.median(at_s[index], axis=1)
        axes.stackplot(middle_s, areas, colors=[COLOURS[name] for name in STAGES], lw=0, zorder=2)
    axes.plot(at_s[counts], work[counts], "o", ms=0.9, mew=0, color=INK, alpha=0.45, zorder=3)
    highest = float(work[counts].max()) if counts.any() else 0.0
    axes.set_ylim(0, max(1.25 * FRAME_MS, 1.05 * highest))
    axes.set_xlim(0, float(at_s[counts].max()) if counts.any() else 1.0)
    axes.set_xlabel("s into the longest conversation")
    axes.set_ylabel("ms per frame")
    axes.axhline(FRAME_MS, color=INK, lw=0.8, ls=(0, (4, 3)), zorder=4)
    handles: list[Patch | Line2D] = [Patch(color=COLOURS[name], label=name) for name in STAGES]
    handles.append(Line2D([], [], color=INK, lw=0.8, ls=(0, (4, 3)), label=BUDGET))
    handles.append(Line2D([], [], marker="o", color=INK, lw=0, ms=1.5, label="a frame's work"))
    figure = axes.get_figure(root=True)
    if figure is not None:
        figure.legend(handles=handles, loc="outside upper left", ncols=3, handlelength=1.2)


def backlog(axes: Axes, material: Material) -> None:
    """The audio that waits for the model: linear up to a frame, then logarithmic."""
    highest = FRAME_MS
    for preset in _shown(material):
        at_ms, waiting = backlog_ms(_longest(preset))
        if not len(at_ms):
            continue
        highest = max(highest, float(waiting.max()))
        grows = "" if preset.drift is None else f", {preset.drift:+.1f} ms/s".replace("-", "−")
        label = f"{letters(preset.preset)} ({preset.verdict}{grows})"
        own = {"color": look(preset.preset).light, "ls": dash(preset.preset)}
        axes.plot(at_ms / 1e3, waiting, lw=1.1, label=label, **own)
    axes.set_yscale("symlog", linthresh=FRAME_MS, linscale=1.0)
    axes.set_ylim(0, highest * 1.6)
    _ticks(axes, (0, 20, 40, 80, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000), highest * 1.6)
    axes.set_xlim(left=0)
    axes.axhline(FRAME_MS, color=FAINT, lw=0.8, ls=(0, (4, 3)), zorder=1)
    axes.set_xlabel("s into the longest conversation")
    axes.set_ylabel("ms offered, not yet consumed")
    names(axes)


def _ticks(axes: Axes, wanted: Sequence[int], highest: float) -> None:
    ticks = [t for t in wanted if t <= highest]
    axes.set_yticks(ticks, [f"{t}" for t in ticks])
    axes.set_yticks([], minor=True)


Value = Callable[[Playout], float]
"""What is drawn of a played conversation."""


def _silent_ms(played: Playout) -> float:
    return played.silent_ms / (played.heard_s / 60) if played.heard_s else 0.0


def _playout(axes: Axes, material: Material, value: Value) -> float:
    """A line of each preset over the pre-roll, and a dotted one of stretched audio.

    Returns:
        The largest value.
    """
    most = 0.0
    for preset in _shown(material):
        stream = stream_of_frames(_longest(preset))
        if not stream.emissions:
            continue
        ways = zip(*sweep([stream], PREROLLS_MS), strict=True)
        for played, style, name in zip(
            ways, ("-", (0, (1.5, 1.5))), ("", ", stretched"), strict=True
        ):
            y = [value(p) for p in played]
            most = max(most, *y)
            label = f"{letters(preset.preset)}{name}"
            own = look(preset.preset).light
            axes.plot([p.preroll_ms for p in played], y, color=own, ls=style, lw=1.1, label=label)
    axes.set_xlim(0, PREROLLS_MS[-1])
    axes.set_xlabel("pre-roll B, ms")
    names(axes)
    return most


def silence(axes: Axes, material: Material) -> None:
    """The silence that a listener would have heard, per minute."""
    most = _playout(axes, material, _silent_ms)
    axes.set_yscale("symlog", linthresh=10, linscale=0.6)
    axes.set_ylim(0, max(20.0, most * 2))
    _ticks(axes, (0, 10, 100, 1000, 10_000), max(20.0, most * 2))
    axes.set_ylabel("silent ms per minute")


def delay(axes: Axes, material: Material) -> None:
    """The delay that a pre-roll adds."""
    _playout(axes, material, lambda played: played.delay_p50_ms)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("added delay, median ms")


def _playout_mm(material: Material) -> float:
    return curves_mm(2 * len(_shown(material)))


PANELS = (
    Panel(
        "time-between-frames",
        "Share of a duplex model's output frames that came later after the one before than a time, "
        "before any jitter buffer; all conversations that count.",
        _height_mm,
        intervals,
    ),
    Panel(
        "audio-that-waits",
        "Audio offered to the model and not yet consumed, through the longest conversation.",
        _height_mm,
        backlog,
    ),
    Panel(
        "playout-silence",
        "Silence that a listener would have heard behind a jitter buffer that fills B ms before it "
        "starts, and again after each underrun; dotted: audio stretched while the queue is short.",
        _playout_mm,
        silence,
    ),
    Panel(
        "playout-delay",
        "Median delay that a jitter buffer with a pre-roll of B ms adds; dotted: audio stretched.",
        _playout_mm,
        delay,
    ),
)
"""The figures of all duplex presets together."""


def stage_panels(material: Material) -> list[Panel]:
    """A figure of each duplex preset: where a frame's time goes."""
    return [
        Panel(
            f"frame-stages-{fit_name(preset.preset)}",
            f"Where a frame's time goes in {preset.preset}: medians over about a second, and each "
            "frame's work from start to end. Stages on several threads overlap.",
            lambda _: curves_mm(2),
            lambda axes, _, preset=preset: stages(axes, preset),  # type: ignore[misc]
        )
        for preset in _shown(material)
        if np.isfinite(_longest(preset).between("start", "done")).any()
    ]
