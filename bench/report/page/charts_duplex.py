"""The page's charts of frames: each frame against its 80 ms, and the backlog."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bench.report.page.chart import (
    LEAST,
    Chart,
    Trace,
    axis,
    colour,
    level,
    line,
    marked,
    safe,
    upright,
)
from bench.summary.frames import DuplexSummary
from bench.timeline.frame_times import STAGES, added_ms, backlog_ms, inter_frame_ms
from bench.timeline.frames import FRAME_MS, Floats, Frames

BIN_MS = 2.0
LONGEST_MS = 400.0
"""Largest end of the histogram's axis."""
SMOOTHED = 12
"""Number of frames (about 1 s) whose median is a point of a stage's area."""
CEILING = 1.25
"""End of an axis of time per frame, in multiples of the 99th percentile."""

Shown = Sequence[DuplexSummary]
"""Duplex presets with a valid conversation."""


def frame_charts(shown: Shown) -> list[Chart]:
    """All charts of frames; none without presets."""
    if not shown:
        return []
    return [
        histogram(shown),
        timeline(shown),
        *(stages(index, preset) for index, preset in enumerate(shown)),
        backlog(shown),
    ]


def _longest(preset: DuplexSummary) -> Frames:
    return preset.conversations[0].frames


def histogram(shown: Shown) -> Chart:
    """The distribution of the time between two output frames."""
    found = {
        preset.preset: np.concatenate([inter_frame_ms(one.frames) for one in preset.conversations])
        for preset in shown
    }
    high = min(LONGEST_MS, max([2 * FRAME_MS, *(_most(values) for values in found.values())]))
    edges = np.arange(0, high + BIN_MS, BIN_MS)
    data: list[Trace] = []
    said = []
    for preset in shown:
        values = found[preset.preset]
        if not len(values):
            continue
        counts, _ = np.histogram(values, edges)
        beyond = int((values > edges[-1]).sum())
        late = 100 * float((values > FRAME_MS).mean())
        said.append(f"{preset.preset}: {late:.1f} % of the gaps exceed 80 ms")
        more = f", {beyond} longer" if beyond else ""
        data.append(
            {
                "type": "bar",
                "name": safe(preset.preset) + more,
                "x": (edges[:-1] + BIN_MS / 2).tolist(),
                "y": [int(count) or None for count in counts],
                "width": BIN_MS,
                "marker": {"color": colour(preset.preset), "line": {"width": 0}},
                "opacity": 0.65,
                "hovertemplate": "%{y} gaps of about %{x:.0f} ms<extra>%{fullData.name}</extra>",
            }
        )
    layout = {
        "xaxis": axis("ms between two output frames", range=[0, float(edges[-1])]),
        "yaxis": axis("gaps (logarithmic)", type="log", dtick=1),
        "barmode": "overlay",
    }
    return Chart(
        "gaps",
        "Time between output frames",
        f"Bins of {BIN_MS:g} ms, all conversations that count, before any jitter buffer. "
        "What lies right of 80 ms is late.",
        f"Histogram of inter-frame times. {'; '.join(said)}.",
        data,
        marked(layout, [upright(FRAME_MS, "80 ms budget", left=True)]),
    )


def _above(count: int, what: str) -> str:
    """A sentence on what lies above a plot; empty where nothing does."""
    if not count:
        return ""
    said = f"1 longer {what} lies" if count == 1 else f"{count} longer {what}s lie"
    return f" {said} above the plot: double-click to see all."


def _most(values: Floats) -> float:
    return float(np.quantile(values, 0.995)) * 1.1 if len(values) else 0.0


def timeline(shown: Shown) -> Chart:
    """The time between output frames, gap by gap, through the longest conversation."""
    data: list[Trace] = []
    highest = [1.25 * FRAME_MS]
    drawn: list[Floats] = []
    for preset in shown:
        frames = _longest(preset)
        emitted = frames.emitted
        at_s = frames.at_ms["frame_out"][emitted] / 1e3
        gaps = np.diff(at_s) * 1e3
        counts = frames.counts[emitted[:-1]]
        gaps, at_s = gaps[counts], at_s[1:][counts]
        highest.append(_most(gaps))
        drawn.append(gaps)
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": safe(preset.preset),
                "x": np.round(at_s, 2).tolist(),
                "y": np.round(gaps, 2).tolist(),
                "marker": {"color": colour(preset.preset), "size": 4, "opacity": 0.55},
                "hovertemplate": "%{y:.1f} ms at %{x:.1f} s<extra>%{fullData.name}</extra>",
            }
        )
    layout = {
        "xaxis": axis("s into the conversation", rangemode="tozero"),
        "yaxis": axis("ms between two frames", range=[0, max(highest)]),
    }
    which = ", ".join(dict.fromkeys(p.conversations[0].fixture for p in shown))
    return Chart(
        "gap-times",
        "Time between output frames, one by one",
        f"Each preset's longest conversation that counts ({which})."
        + _above(sum(int((gaps > max(highest)).sum()) for gaps in drawn), "gap"),
        "Inter-frame time of each frame over the longest conversation.",
        data,
        marked(layout, [level(FRAME_MS, "80 ms budget")]),
    )


def stages(index: int, preset: DuplexSummary) -> Chart:
    """Where a frame's time goes, over the longest conversation."""
    frames = _longest(preset)
    spans = {name: frames.between(start, end) for name, (start, end) in STAGES.items()}
    both = np.maximum(frames.at_ms["handed"], frames.at_ms["ready"])
    carried_in = frames.at_ms["start"] - both
    spans["transport"] = carried_in + frames.between("done", "frame_out")
    whole = frames.between("start", "done")
    counts = np.isfinite(whole) & frames.counts
    begun = np.flatnonzero(counts)
    kept = begun[: len(begun) // SMOOTHED * SMOOTHED].reshape(-1, SMOOTHED)
    at_s = np.median(frames.at_ms["start"][kept] / 1e3, axis=1) if len(kept) else np.empty(0)
    data: list[Trace] = []
    for name, values in spans.items():
        points = np.median(np.nan_to_num(values)[kept], axis=1) if len(kept) else np.empty(0)
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": name,
                "x": np.round(at_s, 2).tolist(),
                "y": np.round(points, 2).tolist(),
                "stackgroup": "one",
                "line": {"width": 0.5, "color": f"@{name}"},
                "fillcolor": f"@{name}",
                "hovertemplate": f"{name} %{{y:.1f}} ms<extra></extra>",
            }
        )
    data.append(
        {
            "type": "scatter",
            "mode": "markers",
            "name": "each frame's work, start to end",
            "x": np.round(frames.at_ms["start"][counts] / 1e3, 2).tolist(),
            "y": np.round(whole[counts], 2).tolist(),
            "marker": {"color": "@ink", "size": 3, "opacity": 0.4},
            "hovertemplate": "%{y:.1f} ms at %{x:.1f} s<extra></extra>",
        }
    )
    room = (
        max(1.25 * FRAME_MS, CEILING * float(np.quantile(whole[counts], 0.99)))
        if len(kept)
        else 1.25 * FRAME_MS
    )
    layout = {
        "xaxis": axis("s into the conversation", rangemode="tozero"),
        "yaxis": axis("ms per frame", range=[0, room]),
    }
    carried = added_ms(frames)
    middle = float(np.median(carried)) if len(carried) else None
    said = [f"{name} {ms:.1f} ms" for name, ms in preset.stages.items() if ms is not None]
    if middle is not None:
        said.append(f"transport {middle:.1f} ms")
    return Chart(
        f"stages-{index}",
        f"Where a frame's time goes: {preset.preset}",
        "Medians over about a second. Stages on several threads overlap: then their sum exceeds "
        "the work's span. Transport is carrying a frame to the model and back."
        + _above(int((whole[counts] > room).sum()), "frame"),
        f"Stage times of {preset.preset}: {', '.join(said) or 'not stamped'}.",
        data,
        marked(layout, [level(FRAME_MS, "80 ms budget")]),
    )


def backlog(shown: Shown) -> Chart:
    """The audio that waits for the model."""
    data: list[Trace] = []
    said = []
    for preset in shown:
        at_ms, waiting = backlog_ms(_longest(preset))
        drift = "" if preset.drift is None else f", drift {preset.drift:+.1f} ms/s"
        said.append(f"{preset.preset}: {preset.verdict}{drift}")
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": safe(f"{preset.preset}: {preset.verdict}{drift}").replace("-", "‑"),
                "x": np.round(at_ms / 1e3, 2).tolist(),
                "y": np.round(np.maximum(waiting, LEAST), 1).tolist(),
                "line": line(preset.preset),
                "hovertemplate": "%{y:.0f} ms wait at %{x:.0f} s<extra></extra>",
            }
        )
    layout = {
        "xaxis": axis("s into the conversation", rangemode="tozero"),
        "yaxis": axis("ms (logarithmic)", type="log", tickformat="~s", dtick=1),
    }
    line_of_one = level(FRAME_MS, "one frame, 80 ms")
    line_of_one["annotation"]["y"] = float(np.log10(FRAME_MS))  # the form that annotations want
    return Chart(
        "backlog",
        "Audio that waits for the model",
        "Offered and not yet consumed, each time that the model begins with a frame. A line that "
        "rises for ever is an agent that never catches up.",
        f"Backlog over time. {'; '.join(said)}.",
        data,
        marked(layout, [line_of_one]),
    )
