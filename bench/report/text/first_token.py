"""The language model's first token, cold and warm: llm_ttft by its place in a conversation.

Cold is a conversation's first turn: the model reads all that it was not given before (a preset with
``prime`` gives it the system message before the user speaks). Warm are the later turns, whose
beginning is in the prefix cache. Each trial's timeline says how much of it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.stats.conversations import quantile_of_turns
from bench.stats.format import Block, with_interval
from bench.stats.quantiles import Estimate
from bench.store.records import MetricRow
from bench.timeline.timeline import Turn

METRIC = "llm_ttft"


@dataclass(frozen=True, slots=True)
class FirstTokens:
    """One preset's figures: medians over distinct turns, ms."""

    preset: str
    cold: Estimate
    """First turns."""
    warm: Estimate
    """Later turns."""


def first_tokens(rows: Sequence[MetricRow]) -> tuple[FirstTokens, ...]:
    """Figures of the presets that have a language model, in the order in which they ran."""
    of = [
        row
        for row in rows
        if row.metric == METRIC and row.valid and row.value is not None and not row.warmup
    ]

    def median(preset: str, cold: bool) -> Estimate:
        values = [
            ((row.fixture, row.turn), float(row.value or 0.0))
            for row in of
            if row.preset == preset and (row.turn == 0) is cold
        ]
        return quantile_of_turns(values, 0.5)

    presets = dict.fromkeys(row.preset for row in of)
    return tuple(FirstTokens(p, median(p, True), median(p, False)) for p in presets)


def first_token_blocks(found: Sequence[FirstTokens]) -> list[Block]:
    """The table; None where no preset has a language model."""
    if not found:
        return []
    rows = tuple((f.preset, with_interval(f.cold), with_interval(f.warm)) for f in found)
    header = ("preset", "cold: first turn, p50 [95 %]", "warm: later turns, p50 [95 %]")
    return [Block("First token of the language model (ms)", header, rows)]


def first_token_line(turn: Turn, llm_id: str, row: MetricRow) -> str:
    """One turn's first token, and what was read of its prompt; empty where there is no figure."""
    if row.value is None:
        return ""
    kind = "cold: the first turn" if turn.number == 0 else "warm: a later turn"
    line = f"  first token {row.value:.1f} ms ({kind}"
    tokens = {
        event: mark.value
        for event in ("prompt_read", "prompt_cached")
        for mark in turn.all("llm", event)
        if mark.request_id == llm_id
    }
    read, cached = tokens.get("prompt_read"), tokens.get("prompt_cached")
    if read is not None and cached is not None:
        line += f"; prompt: {cached:.0f} tokens in the prefix cache, {read:.0f} read"
    return f"{line})"
