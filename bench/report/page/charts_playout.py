"""The page's replay of playout: what a jitter buffer would have made of the emissions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.report.page.chart import LEAST, Chart, Trace, axis, line, safe
from bench.stats.format import Block
from bench.timeline.replay import Playout, Stream, sweep

PREROLLS_MS = range(0, 501, 20)
TABLED_MS = (0, 80, 160, 300, 500)
"""Pre-rolls, ms, in the table."""

Swept = Sequence[tuple[Playout, Playout]]
"""(as it came, stretched), by pre-roll."""


def replayed(streams: Mapping[str, Sequence[Stream]]) -> dict[str, Swept]:
    """What a jitter buffer would have made of each preset's emissions."""
    return {preset: sweep(found, PREROLLS_MS) for preset, found in streams.items()}


def playout_table(swept: Mapping[str, Swept]) -> Block:
    """Underruns, silence and added delay at some pre-rolls."""
    rows = [
        (
            preset,
            f"{plain.preroll_ms:.0f}",
            *(
                cell
                for p in (plain, longer)
                for cell in (
                    f"{p.underruns_per_min:.1f}",
                    f"{p.silent_ms:.0f}",
                    f"{p.delay_p50_ms:.0f}",
                    f"{p.delay_max_ms:.0f}",
                )
            ),
        )
        for preset, found in swept.items()
        for plain, longer in found
        if plain.preroll_ms in TABLED_MS
    ]
    heads = ("underruns/min", "silent ms", "added p50", "added max")
    return Block(
        "Playout replay behind a pre-roll of B ms",
        ("preset", "B", *heads, *(f"stretched: {head}" for head in heads)),
        tuple(rows),
    )


def playout(swept: Mapping[str, Swept]) -> list[Chart]:
    """Silence and added delay behind a jitter buffer with pre-rolls of 0 to 500 ms."""
    silent: list[Trace] = []
    delay: list[Trace] = []
    b_ms = list(PREROLLS_MS)
    said = []
    for preset, found in swept.items():
        plain, stretched = zip(*found, strict=True)
        for way, played in (("", plain), (", stretched", stretched)):
            style = line(preset, dash="dot" if way else "solid", width=1.8 if way else 2.6)
            of_all = {
                "type": "scatter",
                "mode": "lines",
                "name": safe(preset) + way,
                "legendgroup": safe(preset),
                "x": b_ms,
                "line": style,
            }
            per_min = [p.silent_ms / (p.heard_s / 60) if p.heard_s else 0.0 for p in played]
            underruns = [f"{p.underruns_per_min:.1f}" for p in played]
            silent.append(
                {
                    **of_all,
                    "y": [round(max(LEAST, ms), 2) for ms in per_min],
                    "text": underruns,
                    "hovertemplate": "B %{x} ms: %{y:.0f} ms of silence and %{text} underruns a "
                    "minute<extra>%{fullData.name}</extra>",
                }
            )
            delay.append(
                {
                    **of_all,
                    "y": [round(p.delay_p50_ms, 2) for p in played],
                    "hovertemplate": "B %{x} ms adds %{y:.0f} ms<extra>%{fullData.name}</extra>",
                }
            )
        said.append(f"{preset}: {plain[0].underruns_per_min:.1f} underruns a minute at B = 0")
    if not silent:
        return []
    along = axis("pre-roll B, ms", range=[0, 500])
    return [
        Chart(
            "underruns",
            "Playout replay: silence that a listener would have heard",
            "The run's emissions played again behind a jitter buffer that fills B ms before it "
            "starts, and again after each underrun. Dotted: audio stretched while the queue is "
            "short, pitch kept. Below 1 ms is drawn at 1.",
            f"Silence per minute over pre-roll. {'; '.join(said)}.",
            silent,
            {
                "xaxis": along,
                "yaxis": axis("silent ms per minute", type="log", tickformat="~s", dtick=1),
            },
        ),
        Chart(
            "delay",
            "Playout replay: the delay that it costs",
            "Heard − emitted of each piece's first sample, median. Stretching holds it back too.",
            "Median added delay over pre-roll.",
            delay,
            {"xaxis": along, "yaxis": axis("added delay, ms", rangemode="tozero")},
        ),
    ]
