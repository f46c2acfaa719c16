"""What a comparison prints, and writes as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.report.text.console import console
from bench.report.text.listing import Format, print_lists

if TYPE_CHECKING:
    from bench.compare.compare import PairComparison
    from bench.compare.gate import Outcome


def print_comparison(
    found: Sequence[PairComparison], outcomes: Sequence[Outcome], form: Format
) -> None:
    """Prints pairs and gates."""
    from bench.report.text.comparison import (
        block,
        gate_block,
        gate_sentence,
        listing,
        markdown,
        notes,
        option_lines,
    )

    if form is Format.csv:
        print_lists(form, listing(found))
        return
    if form is not Format.table:
        text = markdown(found, outcomes).encode() if form is Format.md else as_json(found, outcomes)
        sys.stdout.write(text.decode())
        return
    out = console()
    for pair in found:
        out.table(block(pair))
        for line in option_lines(pair):
            out.say(line, indent="    ")
        out.line()
    if outcomes:
        out.table(gate_block(outcomes))
        out.line()
        for outcome in outcomes:
            out.say(gate_sentence(outcome))
    for note in notes(found):
        out.say(note, "dim")


def as_json(found: Sequence[PairComparison], outcomes: Sequence[Outcome]) -> bytes:
    """All figures, not rounded."""
    from bench.report.text.comparison import as_data

    text = json.dumps(as_data(found, outcomes), indent=2, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()
