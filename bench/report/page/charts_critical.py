"""The page's bars of the critical path: where the milliseconds go."""

from __future__ import annotations

from bench.report.page.chart import (
    Chart,
    Trace,
    axis,
    cut,
    interval_bars,
    marked,
    references,
    safe,
)
from bench.stats.format import number, with_interval
from bench.summary.stack import stack
from bench.summary.summary import PresetSummary, RunSummary
from bench.timeline.critical_path import PIECES

ROW_PX = 78
"""Height of a preset's row in the chart, px."""


def critical_bars(summary: RunSummary) -> Chart:
    """The medians of the critical path's parts, one bar a preset, with p50 above it."""
    shown = summary.presets
    labels = {p.name: p.label for p in PIECES} | {"residual": "hand-over gaps"}
    parts = {p.preset: dict(stack(p)) for p in shown}
    rows = [float(len(shown) - 1 - i) for i in range(len(shown))]
    timed = [(row, p, p.p50.value) for row, p in zip(rows, shown, strict=True)]
    with_p50 = [(row, p, value) for row, p, value in timed if value is not None]
    unsplit = [(row, value) for row, p, value in with_p50 if not any(parts[p.preset].values())]
    data = [
        _piece_bars(piece, labels[piece], rows, [parts[p.preset][piece] for p in shown])
        for piece in next(iter(parts.values()), {})
    ]
    if unsplit:
        data.append(_unsplit_bars(unsplit))
    data.append(_p50_points(with_p50))
    medians = [value for *_, value in with_p50]
    ends = [sum(max(0.0, ms) for ms in of.values()) for of in parts.values()]
    highest = max([600.0, *medians, *ends, *(p.p50.high or 0.0 for p in shown)])
    layout = {
        "barmode": "relative",
        "uniformtext": {"mode": "hide", "minsize": 10},  # no figure that nobody can read
        "xaxis": axis(
            "ms after the user's last audible sample", range=[0, highest * 1.12], zeroline=False
        ),
        "yaxis": {"visible": False, "range": [-0.35, len(shown) - 0.25], "fixedrange": True},
        "annotations": [_bar_name(row, p) for row, p in zip(rows, shown, strict=True)],
        "margin": {"l": 14, "r": 16, "t": 22, "b": 44},
    }
    spoken = "; ".join(_spoken_bar(p, parts[p.preset], labels) for p in shown)
    return Chart(
        "critical",
        "Where the milliseconds go",
        "Bars: the median of each part of the critical path, from the user's last audible sample "
        "to the agent's first one. Medians of parts need not add up to the median of the whole, "
        "the diamond.",
        f"Stacked bars of the critical path. {spoken}.",
        data,
        marked(layout, _low_references()),
        height=150 + ROW_PX * max(1, len(shown)),
        wide=True,
    )


def _piece_bars(piece: str, label: str, rows: list[float], ms: list[float]) -> Trace:
    """One part of the path, a piece of every preset's bar."""
    return {
        "type": "bar",
        "orientation": "h",
        "name": label,
        "y": rows,
        "x": ms,
        "width": 0.3,
        "marker": {"color": f"@{piece}", "line": {"color": "@card", "width": 1}},
        "text": [number(value) for value in ms],
        "textposition": "inside" if piece != "residual" else "none",
        "insidetextanchor": "middle",
        "textangle": 0,
        "textfont": {"color": "#000000"},
        "constraintext": "inside",
        "hovertemplate": "%{x:.1f} ms " + label + "<extra></extra>",
    }


def _unsplit_bars(unsplit: list[tuple[float, float]]) -> Trace:
    """The bars of presets whose path has no parts."""
    return {
        "type": "bar",
        "orientation": "h",
        "name": "not split: one model, frame by frame",
        "y": [row for row, _ in unsplit],
        "x": [ms for _, ms in unsplit],
        "width": 0.3,
        "marker": {"color": "@unsplit"},
        "hovertemplate": "%{x:.0f} ms, not split<extra></extra>",
    }


def _p50_points(with_p50: list[tuple[float, PresetSummary, float]]) -> Trace:
    """The medians of the whole, with their intervals, above the bars."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "p50, 95 % interval",
        "x": [value for _, _, value in with_p50],
        "y": [row + 0.23 for row, *_ in with_p50],
        "marker": {"symbol": "diamond", "size": 9, "color": "@ink"},
        "error_x": interval_bars([p.p50 for _, p, _ in with_p50]),
        "hovertemplate": "p50 %{x:.0f} ms<extra></extra>",
    }


def _low_references() -> list[Trace]:
    """The reference lines, with their figures only: the bars need the room."""
    lines = references()
    for one in lines:
        words = one["annotation"]["text"].split(" ", 1)[0]
        one["annotation"] |= {"text": words, "textangle": 0, "y": 1, "yanchor": "bottom"}
        one["annotation"]["xanchor"] = "right" if words == "160" else "left"
    return lines


def _bar_name(row: float, p: PresetSummary) -> Trace:
    return {
        "x": 0,
        "xref": "paper",
        "y": row + 0.34,
        "xanchor": "left",
        "yanchor": "bottom",
        "showarrow": False,
        "align": "left",
        "text": f"<b>{safe(cut(p.preset, 24))}</b>  {safe(_headline(p))}",
        "hovertext": safe(p.preset),
        "font": {"color": "@ink", "size": 12},
        "bgcolor": "@veil",
        "borderpad": 1,
    }


def _headline(p: PresetSummary) -> str:
    if p.weights == "synthetic":
        return "no figures: synthetic weights"
    if p.p50.value is None:
        return f"no valid turn of {p.turns}"
    return f"{with_interval(p.p50)} ms"


def _spoken_bar(p: PresetSummary, parts: dict[str, float], labels: dict[str, str]) -> str:
    if not any(parts.values()):
        return f"{p.preset}: {_headline(p)}"
    said = ", ".join(f"{labels[name]} {number(ms)} ms" for name, ms in parts.items())
    return f"{p.preset}: {_headline(p)}: {said}"
