"""The page's charts of latency: its distribution, the event log's error, its price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bench.report.page.chart import (
    Chart,
    Trace,
    axis,
    colour,
    interval_bars,
    level,
    line,
    marked,
    references,
    safe,
    symbol,
)
from bench.report.page.turns import Cards
from bench.stats.format import number, with_interval
from bench.stats.quantiles import Estimate
from bench.summary.summary import RunSummary

WIDEST = 1.6
"""End of the time axis, in multiples of the largest median, unless all turns lie before."""
EARLIEST = 0.5
"""Largest part of a time axis below 0, as a share of the part above."""


@dataclass(frozen=True, slots=True)
class Series:
    """The valid turns of one preset."""

    name: str
    preset: str
    """The preset, whose look it has."""
    run: int
    """The run's number on the page."""
    turns: Sequence[tuple[float, str]]
    """(voice_to_voice in ms, key of the turn)."""
    p50: Estimate


def series(summary: RunSummary, cards: Cards, run: int, prefix: str = "") -> list[Series]:
    """Each preset's valid turns, slowest last; presets without any are left out.

    Args:
        summary: The run's figures.
        cards: Its turns.
        run: Its number on the page.
        prefix: Text before the presets' names.
    """
    found = []
    for preset in summary.presets:
        turns = sorted(
            (card.v2v, turn_key(run, i))
            for i, card in enumerate(cards.turns)
            if card.v2v is not None
            and card.status == "valid"
            and cards.trials[card.trial].preset == preset.preset
        )
        if turns:
            found.append(Series(prefix + preset.preset, preset.preset, run, turns, preset.p50))
    return found


def turn_key(run: int, turn: int) -> str:
    """Names a turn on the page."""
    return f"{run}-{turn}"


def reach(medians: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """The range of a time axis, ms: all turns, unless a few would squeeze the rest."""
    wanted = WIDEST * max([450.0, *medians])
    high = min(wanted, max([700.0, *values]) * 1.06)
    return max(min([0.0, *values]) * 1.05, -EARLIEST * high), high


def _outside(values: Sequence[float], low: float, high: float) -> str:
    """A sentence on the turns that a plot leaves out; empty for none."""
    sides = (
        ("to the left", sum(ms < low for ms in values)),
        ("to the right", sum(ms > high for ms in values)),
    )
    told = [f"{n} {'turn lies' if n == 1 else 'turns lie'} {side}" for side, n in sides if n]
    return f" {' and '.join(told)} of the plot: double-click to see all." if told else ""


def ecdf(name: str, found: Sequence[Series]) -> Chart:
    """The share of the turns that was answered within a time."""
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
                "line": line(one.preset, one.run, shape="hv"),
                "marker": {
                    "color": colour(one.preset),
                    "size": 6,
                    "symbol": symbol(one.preset, one.run),
                },
                "hovertemplate": "%{x:.0f} ms: %{y:.0f} % of the turns<extra>%{fullData.name}"
                "</extra>",
            }
        )
    values = [ms for one in found for ms, _ in one.turns]
    low, high = reach([one.p50.value or 0.0 for one in found], values)
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
        "Each point is one turn that counts; click it to open the turn below."
        + _outside(values, low, high),
        f"Cumulative distribution of voice-to-voice latency. {spoken}.",
        data,
        layout,
        height=420,
    )


def heard_and_logged(summary: RunSummary, cards: Cards, run: int) -> Chart | None:
    """Each turn's latency as heard against that of the event log; None where none has both."""
    data: list[Trace] = []
    said = []
    for preset in summary.presets:
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
                    "color": colour(preset.preset),
                    "symbol": symbol(preset.preset),
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
    """Latency against the quality of the answers; None where no preset has both."""
    known = [
        (p, p.p50.value, 100 * p.success.value)
        for p in summary.presets
        if p.p50.value is not None and p.success.value is not None
    ]
    if not known:
        return None
    data: list[Trace] = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": safe(p.preset),
            "x": [ms],
            "y": [success],
            "marker": {"color": colour(p.preset), "symbol": symbol(p.preset), "size": 13},
            "error_x": {**interval_bars([p.p50]), "color": colour(p.preset)},
            "error_y": {**interval_bars([p.success], 100), "color": colour(p.preset)},
            "hovertemplate": f"p50 %{{x:.0f}} ms, success %{{y:.0f}} %, WER {number(p.wer, '.1f')}"
            " %<extra>%{fullData.name}</extra>",
        }
        for p, ms, success in known
    ]
    front: list[tuple[float, float]] = []
    for p, ms, success in sorted(known, key=lambda one: (one[1], -one[2])):
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
    left_out = [p.preset for p in summary.presets if p.preset not in {k[0].preset for k in known}]
    lead = "Up and to the left is better. Latency is of no worth without the answer's content."
    if left_out:
        lead += f" Without a figure for both: {', '.join(left_out)}."
    spoken = "; ".join(f"{p.preset}: {ms:.0f} ms, {y:.0f} % success" for p, ms, y in known)
    highest = max([500.0, *(max(ms, p.p50.high or 0) for p, ms, _ in known)])
    return Chart(
        "pareto",
        "Latency against content",
        lead,
        f"Median latency against task success. {spoken}.",
        data,
        {
            "xaxis": axis("p50 of voice to voice, ms", range=[0, highest * 1.35]),
            "yaxis": axis("task success", range=[0, 105], ticksuffix=" %"),
        },
        height=340,
    )
