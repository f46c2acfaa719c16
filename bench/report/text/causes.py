"""Known causes as text: a run's slow turns by name, the table of causes, a turn's lines."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from bench.causes.cause import Loses
from bench.causes.table import BY_NAME
from bench.stats.format import Block
from bench.store.records import CauseRow
from bench.summary.causes import PresetCauses, Slow, Tally, TurnKey

NOT_COMPUTED = "causes: not computed yet for this run; run: duplex-lab metrics RUN"
HEADER = ("preset", "cause", "turns", "p50", "largest")
UNEXPLAINED = "no known cause explains them"
OF: dict[Loses, str] = {
    "answer": "of the answer",
    "stop": "of the stop for an interruption",
    "figure": "not in voice to voice",
}
"""What is lost → its name."""


def slow_lines(found: Sequence[PresetCauses]) -> Iterator[str]:
    """A sentence for each cause of slow turns: ``5 of 25 turns took 3.3 s: …``."""
    for preset in found:
        for slow in preset.slow:
            yield f"{preset.preset}: {_sentence(slow, preset.turns)}"


def _sentence(slow: Slow, of: int) -> str:
    count = len(slow.turns)
    turns = "turn" if of == 1 else "turns"
    low, high = min(slow.took_ms) / 1000, max(slow.took_ms) / 1000
    took = f"{high:.1f} s" if f"{low:.1f}" == f"{high:.1f}" else f"{low:.1f} to {high:.1f} s"
    why = UNEXPLAINED if slow.cause is None else slow.cause.short
    return f"{count} of {of} {turns} took {took}: {why}; see {_named(slow.turns[0])}"


def cause_blocks(found: Sequence[PresetCauses]) -> list[Block]:
    """The table of causes; none where no turn has any."""
    rows = tuple(_row(preset, tally) for preset in found for tally in preset.tallies)
    if not rows:
        return []
    title = "Known causes of lost time (ms in a turn that has it; the mends: docs/causes.md)"
    return [Block(title, HEADER, rows)]


def _row(preset: PresetCauses, tally: Tally) -> tuple[str, ...]:
    loses = tally.cause.loses
    return (
        preset.preset,
        tally.cause.short if loses == "answer" else f"{tally.cause.short} ({OF[loses]})",
        f"{tally.turns}/{preset.turns}",
        f"+{tally.median_ms:,.0f}",
        f"+{tally.largest_ms:,.0f}",
    )


def _named(key: TurnKey) -> str:
    trial_id, turn = key
    return trial_id if turn == 0 else f"{trial_id}, turn {turn}"


def turn_lines(causes: Sequence[CauseRow], width: int) -> Iterator[str]:
    """The lines of one turn: its causes, the largest first, and the mend of that.

    Args:
        causes: The turn's causes, the largest first.
        width: Columns of the longest line.
    """
    for i, row in enumerate(causes):
        known = BY_NAME.get(row.cause)
        detail = f" ({row.detail})" if row.detail else ""
        of = "" if known is None or known.loses == "answer" else f", {OF[known.loses]}"
        head = "  causes  " if i == 0 else " " * 10
        yield f"{head}+{row.lost_ms:,.0f} ms{of}: {known.short if known else row.cause}{detail}"
        if i == 0 and known is not None:
            for line in textwrap.wrap(f"mend: {known.mend}", width - 12):
                yield f"{' ' * 12}{line}"
