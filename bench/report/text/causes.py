"""Known causes as text: the table of a run's causes, and a turn's lines."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from bench.causes.cause import Loses
from bench.causes.table import BY_NAME
from bench.stats.format import Block
from bench.store.records import CauseRow
from bench.summary.causes import PresetCauses, Tally

NOT_COMPUTED = "causes: not computed yet for this run; run: duplex-lab metrics RUN"
HEADER = ("preset", "cause", "turns", "p50", "largest")
OF: dict[Loses, str] = {
    "answer": "of the answer",
    "stop": "of the stop for an interruption",
    "figure": "not in voice to voice",
}
"""What is lost → its name."""


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
