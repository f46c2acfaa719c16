"""The tables and notes of duplex presets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.metrics.frames import MIN_N_P99, NAMED_PREROLL_MS
from bench.stats.format import Block, number
from bench.summary.frames import DuplexSummary
from bench.summary.headlines import columns
from bench.timeline.frames import DISCARDED, FRAME_MS


def duplex_blocks(presets: Sequence[DuplexSummary]) -> Iterator[Block]:
    """What a frame costs, and what becomes of it in a conversation; no table without presets."""
    if not presets:
        return
    yield Block(
        f"Frame by frame (ms, budget {FRAME_MS:.0f}; stages p50)",
        (
            "preset",
            "weights",
            "frames",
            *(column.head for column in columns("frames")),
        ),
        tuple(_cost_row(p) for p in presets),
    )
    yield Block(
        "In the conversation (ms)",
        ("preset", *(column.head for column in columns("conversation")), "verdict"),
        tuple(_conversation_row(p) for p in presets),
    )


def _cost_row(p: DuplexSummary) -> tuple[str, ...]:
    return (p.preset, p.weights, str(p.frames), *_figures(p, "frames"))


def _conversation_row(p: DuplexSummary) -> tuple[str, ...]:
    return (p.preset, *_figures(p, "conversation"), p.verdict)


def _figures(p: DuplexSummary, table: str) -> Iterator[str]:
    for column in columns(table):
        yield number(p.figures[column.key], column.spec)


def duplex_notes(presets: Sequence[DuplexSummary]) -> Iterator[str]:
    """Sentences that must stand beside the figures of duplex presets."""
    if not presets:
        return
    yield (
        "Frame by frame: medians over the trials of what each has, of those trials with at least "
        f"{MIN_N_P99} frames that count if there are any; the first {DISCARDED} of each do not. "
        "service: between completed frames whose input was there in time; headroom: 80 − "
        "its p99. frame latency: input frame complete → output "
        "emitted. added: carrying a frame to the model and back. miss: emitted > 80 ms after the "
        f"deadline before; B: the same behind a pre-roll of B = {NAMED_PREROLL_MS} ms. backlog: "
        "audio that the model has yet to take."
    )
    in_conversation = [p.preset for p in presets if not p.unpaced and p.service_p50 is not None]
    if in_conversation:
        yield (
            f"{', '.join(in_conversation)}: no unpaced session is in the run; service is that of "
            "the conversation's frames that had to wait."
        )
    for p in presets:
        if p.dropped:
            yield f"{p.preset}: {p.dropped} of {p.frames} frames were dropped, as its policy says."
        if p.lost or p.doubled:
            yield (
                f"{p.preset}: {p.lost} frames were lost and {p.doubled} marks doubled, which must "
                "never be: its figures are not to be trusted."
            )
