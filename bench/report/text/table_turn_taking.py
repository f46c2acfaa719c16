"""The tables and the notes of turn-taking, with a published benchmark's own figures of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.stats.format import DASH, Block, number, with_interval
from bench.summary.full_duplex_bench import BenchFigure
from bench.summary.turn_taking import TurnTakingSummary

BENCH_HEADER = ("preset", "task", "figure", "theirs", "n", "ours", "p50", "n of ours", "our metric")
BENCH_SPEC = {"ms": ".0f", "%": ".1f", "1/s": ".3f", "": ".3f"}
"""Unit → format of a figure."""
BENCH_NOTE = (
    "Full-Duplex-Bench: theirs: the mean, as its scripts compute it from the recogniser's words or "
    "from stretches of speech, clamps included; ours: the mean and the median of what is heard on "
    "the labelled turn, signed. The definitions side by side: docs/recorded.md."
)


def turn_taking_blocks(presets: Sequence[TurnTakingSummary]) -> Iterator[Block]:
    """The tables; none where no turn of the run is an event over the agent's speech."""
    if not presets:
        return
    yield Block(
        "Turn-taking: the user makes a sound over the agent's speech",
        ("preset", "stop ms [95 %]", "decided ms [95 %]", "yields %", "false stops %"),
        tuple(_over_agent_row(p) for p in presets),
    )
    yield Block(
        "Turn-taking: the agent begins",
        ("preset", "early starts %", "takeover %", "intrusion %", "overlap %"),
        tuple(_begins_row(p) for p in presets),
    )


def _over_agent_row(p: TurnTakingSummary) -> tuple[str, ...]:
    return (
        p.preset,
        with_interval(p.stop),
        with_interval(p.decided),
        with_interval(p.yields, 100),
        with_interval(p.false_stops, 100),
    )


def _begins_row(p: TurnTakingSummary) -> tuple[str, ...]:
    rates = (p.early, p.takeover, p.intrusion, p.overlap)
    return (p.preset, *(with_interval(rate, 100) for rate in rates))


def turn_taking_notes(presets: Sequence[TurnTakingSummary]) -> Iterator[str]:
    """Sentences that must stand beside the figures."""
    if not presets:
        return
    yield (
        "Turn-taking: stop: last sound of the reply − first of the interruption, "
        "median by Kaplan and Meier, in which a reply that spoke on for 2 s or ended by itself "
        "counts as not yet stopped. decided: when the agent chose to yield. yields: interruptions "
        "that stopped it within 2 s. false stops: backchannels, coughs and side talk over its "
        "speech that stopped it. early starts: labelled pauses of the user in which it began. "
        "takeover: turns that want an answer in which it took over after the user's end. "
        "intrusion: events that want none in which it did. overlap: both spoke."
    )
    for p in presets:
        if p.weights == "synthetic":
            yield f"{p.preset}: synthetic weights, so nothing is said of turn-taking."
        elif p.censored:
            yield f"{p.preset}: {p.censored} of {p.stop.n} barge-ins are censored."


def bench_blocks(figures: Sequence[BenchFigure]) -> Iterator[Block]:
    """One table; none where the run holds no samples."""
    if figures:
        yield Block(
            "Full-Duplex-Bench's own figures, and ours of the same calls",
            BENCH_HEADER,
            tuple(_bench_row(one) for one in figures),
            left=("task", "figure", "our metric"),
            leave=("n of ours", "preset", "n"),
        )


def _bench_row(one: BenchFigure) -> tuple[str, ...]:
    spec = BENCH_SPEC[one.unit]
    return (
        one.preset,
        one.task,
        f"{one.figure} {one.unit}".rstrip(),
        number(one.theirs, spec),
        str(one.theirs_n),
        number(one.ours, spec),
        number(one.ours_p50, spec),
        str(one.ours_n) if one.metric else DASH,
        one.metric or DASH,
    )
