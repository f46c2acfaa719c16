"""The page's charts of latency: its spread, its parts, the event log's error, its price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.cells import number, with_interval
from bench.plots import stack
from bench.report.chart import (
    Chart,
    Trace,
    axis,
    colour,
    level,
    line,
    marked,
    references,
    safe,
    symbol,
)
from bench.report.turns import Cards
from bench.segments import PIECES
from bench.stats import Estimate
from bench.summary import PresetSummary, RunSummary

WIDEST = 1.6
"""The time axis ends here, in times the largest median, unless all turns lie before."""
ROW_PX = 78
"""Height of a preset among the bars."""


@dataclass(frozen=True, slots=True)
class Series:
    """The turns of one preset that count."""

    name: str
    style: int
    """Which colour, dash and symbol."""
    turns: Sequence[tuple[float, str]]
    """(voice_to_voice in ms, key of the turn)."""
    p50: Estimate


def series(summary: RunSummary, cards: Cards, run: int, prefix: str = "") -> list[Series]:
    """Each preset's turns that count, slowest last; presets without any are left out.

    Args:
        summary: The run's figures.
        cards: Its turns.
        run: Its number on the page.
        prefix: Stands before the presets' names.
    """
    found = []
    for index, preset in enumerate(summary.presets):
        turns = sorted(
            (card.v2v, turn_key(run, i))
            for i, card in enumerate(cards.turns)
            if card.v2v is not None
            and card.status == "valid"
            and cards.trials[card.trial].preset == preset.preset
        )
        if turns:
            found.append(Series(prefix + preset.preset, index, turns, preset.p50))
    return found


def turn_key(run: int, turn: int) -> str:
    """Names a turn on the page."""
    return f"{run}-{turn}"


def reach(medians: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """The range of a time axis: all turns, unless a few slow ones would squeeze the rest."""
    low = min([0.0, *values])
    wanted = WIDEST * max([450.0, *medians])
    return low * 1.05, min(wanted, max([700.0, *values]) * 1.06)


def ecdf(name: str, found: Sequence[Series]) -> Chart:
    """Which share of the turns was answered within a time."""
    data: list[Trace] = []
    for one in found:
        ms = [value for value, _ in one.turns]
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "name": safe(one.name),
                "x": [ms[0], *ms],
                "y": [0.0, *(100 * (i + 1) / len(ms) for i in range(len(ms)))],
                "customdata": [one.turns[0][1], *(key for _, key in one.turns)],
                "line": line(one.style, shape="hv"),
                "marker": {"color": colour(one.style), "size": 6, "symbol": symbol(one.style)},
                "hovertemplate": "%{x:.0f} ms: %{y:.0f} % of the turns<extra>%{fullData.name}"
                "</extra>",
            }
        )
    values = [ms for one in found for ms, _ in one.turns]
    low, high = reach([one.p50.value or 0.0 for one in found], values)
    beyond = sum(ms > high for ms in values)
    slower = (
        f" {beyond} turns lie to the right of the plot: double-click to see all." if beyond else ""
    )
    layout = marked(
        {
            "xaxis": axis("ms after the user's last audible sample", range=[low, high]),
            "yaxis": axis("turns answered", range=[0, 103], ticksuffix=" %"),
        },
        references(),
    )
    spoken = "; ".join(f"{one.name}: median {with_interval(one.p50)} ms" for one in found)
    return Chart(
        name,
        "How voice-to-voice latency is spread",
        "Each point is one turn that counts; click it to open the turn below." + slower,
        f"Cumulative distribution of voice-to-voice latency. {spoken}.",
        data,
        layout,
        height=420,
    )


def critical_bars(summary: RunSummary) -> Chart:
    """The medians of the critical path's parts, one bar a preset, with p50 above it."""
    shown = summary.presets
    labels = {p.name: p.label for p in PIECES} | {"residual": "hand-over gaps"}
    parts = {p.preset: dict(stack(p)) for p in shown}
    rows = [float(len(shown) - 1 - i) for i in range(len(shown))]
    data: list[Trace] = [
        {
            "type": "bar",
            "orientation": "h",
            "name": labels[piece],
            "y": rows,
            "x": [parts[p.preset][piece] for p in shown],
            "width": 0.3,
            "marker": {"color": f"@{piece}", "line": {"color": "@card", "width": 1}},
            "text": [number(parts[p.preset][piece]) for p in shown],
            "textposition": "inside" if piece != "residual" else "none",
            "insidetextanchor": "middle",
            "textangle": 0,
            "textfont": {"color": "#000000"},
            "constraintext": "inside",
            "hovertemplate": "%{x:.1f} ms " + labels[piece] + "<extra></extra>",
        }
        for piece in next(iter(parts.values()), {})
    ]
    unsplit = [
        (row, p.p50.value)
        for row, p in zip(rows, shown, strict=True)
        if p.p50.value is not None and not any(parts[p.preset].values())
    ]
    if unsplit:
        data.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": "not split: one model, frame by frame",
                "y": [row for row, _ in unsplit],
                "x": [ms for _, ms in unsplit],
                "width": 0.3,
                "marker": {"color": "@unsplit"},
                "hovertemplate": "%{x:.0f} ms, not split<extra></extra>",
            }
        )
    with_p50 = [
        (row, p, p.p50.value) for row, p in zip(rows, shown, strict=True) if p.p50.value is not None
    ]
    data.append(
        {
            "type": "scatter",
            "mode": "markers",
            "name": "p50, 95 % interval",
            "x": [value for _, _, value in with_p50],
            "y": [row + 0.23 for row, *_ in with_p50],
            "marker": {"symbol": "diamond", "size": 9, "color": "@ink"},
            "error_x": _interval([p.p50 for _, p, _ in with_p50]),
            "hovertemplate": "p50 %{x:.0f} ms<extra></extra>",
        }
    )
    medians = [value for *_, value in with_p50]
    highest = max([600.0, *medians, *(p.p50.high or 0.0 for p in shown)])
    layout = {
        "barmode": "relative",
        "xaxis": axis("ms after the user's last audible sample", range=[0, highest * 1.12]),
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


def _low_references() -> list[Trace]:
    """The reference lines, named by their figure only: the bars need the room."""
    lines = references()
    for one in lines:
        words = one["annotation"]["text"].split(" ", 1)[0]
        one["annotation"] |= {"text": words, "textangle": 0, "y": 1, "yanchor": "bottom"}
        one["annotation"]["xanchor"] = "right" if words == "160" else "left"
    return lines


def _interval(estimates: Sequence[Estimate], scale: float = 1.0) -> Trace:
    """Error bars of what has an interval."""
    plus, minus = [], []
    for one in estimates:
        known = one.value is not None and one.low is not None and one.high is not None
        plus.append(scale * ((one.high or 0) - (one.value or 0)) if known else 0.0)
        minus.append(scale * ((one.value or 0) - (one.low or 0)) if known else 0.0)
    return {
        "type": "data",
        "symmetric": False,
        "array": plus,
        "arrayminus": minus,
        "color": "@ink",
        "thickness": 2,
        "width": 5,
    }


def _bar_name(row: float, p: PresetSummary) -> Trace:
    return {
        "x": 0,
        "xref": "paper",
        "y": row + 0.34,
        "xanchor": "left",
        "yanchor": "bottom",
        "showarrow": False,
        "align": "left",
        "text": f"<b>{safe(p.preset)}</b>  {safe(_headline(p))}",
        "font": {"color": "@ink", "size": 13},
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


def heard_and_logged(summary: RunSummary, cards: Cards, run: int) -> Chart | None:
    """Each turn's latency as heard against that of the event log; None where none has both."""
    data: list[Trace] = []
    said = []
    for index, preset in enumerate(summary.presets):
        found = [
            (card.logged, card.v2v, turn_key(run, i))
            for i, card in enumerate(cards.turns)
            if card.v2v is not None
            and card.logged is not None
            and card.status == "valid"
            and cards.trials[card.trial].preset == preset.preset
        ]
        if not found:
            continue
        median = float(np.median([heard - logged for logged, heard, _ in found]))
        said.append(f"{preset.preset}: median {number(median, '+.0f')} ms")
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": safe(preset.preset),
                "x": [heard for _, heard, _ in found],
                "y": [heard - logged for logged, heard, _ in found],
                "text": [number(logged) for logged, *_ in found],
                "customdata": [key for *_, key in found],
                "marker": {
                    "color": colour(index),
                    "symbol": symbol(index),
                    "size": 9,
                    "opacity": 0.75,
                },
                "hovertemplate": "heard %{x:.0f} ms, logged %{text} ms: %{y:+.0f} ms"
                "<extra>%{fullData.name}</extra>",
            }
        )
    if not data:
        return None
    return Chart(
        "logged",
        "What the event log leaves out",
        "Above 0 a person waited longer than the agent's own log says. Click a turn to open it.",
        f"Heard minus logged latency. {'; '.join(said)}.",
        data,
        marked(
            {
                "xaxis": axis("voice to voice as heard, ms", rangemode="tozero"),
                "yaxis": axis("heard − logged, ms", rangemode="tozero"),
            },
            [level(0.0, "log and ear agree")],
        ),
        height=420,
    )


def pareto(summary: RunSummary) -> Chart | None:
    """Latency against what the answers are worth; None where no preset has both."""
    known = [
        (i, p, p.p50.value, 100 * p.success.value)
        for i, p in enumerate(summary.presets)
        if p.p50.value is not None and p.success.value is not None
    ]
    if not known:
        return None
    data: list[Trace] = [
        {
            "type": "scatter",
            "mode": "markers+text",
            "name": safe(p.preset),
            "x": [ms],
            "y": [success],
            "text": [f"  {safe(p.preset)}"],
            "textposition": "middle right",
            "cliponaxis": False,
            "marker": {"color": colour(i), "symbol": symbol(i), "size": 13},
            "error_x": {**_interval([p.p50]), "color": colour(i)},
            "error_y": {**_interval([p.success], 100), "color": colour(i)},
            "hovertemplate": f"p50 %{{x:.0f}} ms, success %{{y:.0f}} %, WER {number(p.wer, '.1f')}"
            " %<extra>%{fullData.name}</extra>",
        }
        for i, p, ms, success in known
    ]
    front: list[tuple[float, float]] = []
    for _, p, ms, success in sorted(known, key=lambda one: (one[2], -one[3])):
        if p.weights == "trained" and (not front or success > front[-1][1]):
            front.append((ms, success))
    if len(front) > 1:
        data.insert(
            0,
            {
                "type": "scatter",
                "mode": "lines",
                "name": "nothing is both faster and better",
                "x": [ms for ms, _ in front],
                "y": [success for _, success in front],
                "line": {"color": "@faint", "dash": "dot", "width": 1.5, "shape": "hv"},
                "hoverinfo": "skip",
            },
        )
    left_out = [p.preset for p in summary.presets if p.preset not in {k[1].preset for k in known}]
    lead = "Up and to the left is better. Latency is of no worth without the answer's content."
    if left_out:
        lead += f" Without a figure for both: {', '.join(left_out)}."
    spoken = "; ".join(f"{p.preset}: {ms:.0f} ms, {y:.0f} % success" for _, p, ms, y in known)
    highest = max([500.0, *(max(ms, p.p50.high or 0) for _, p, ms, _ in known)])
    return Chart(
        "pareto",
        "Latency against content",
        lead,
        f"Median latency against task success. {spoken}.",
        data,
        {
            "xaxis": axis("p50 of voice to voice, ms", range=[0, highest * 1.35]),
            "yaxis": axis("task success", range=[0, 105], ticksuffix=" %"),
            "showlegend": False,
        },
        height=420,
    )
