"""The known answers of scripted presets as a table."""

from __future__ import annotations

from collections.abc import Iterator

from bench.stats.format import Block, number
from bench.summary.read_back import read_back
from bench.summary.summary import RunSummary

HEADER = ("preset", "set", "heard p50", "off by", "at most", "turns")


def read_back_blocks(summary: RunSummary) -> Iterator[Block]:
    """One table where a preset's answer is known; else none."""
    rows = tuple(
        (
            one.preset,
            number(one.known),
            number(one.p50.value, ".1f"),
            number(None if one.p50.value is None else one.p50.value - one.known, "+.1f"),
            number(one.farthest, "+.1f"),
            str(one.p50.n),
        )
        for one in read_back(summary)
    )
    if rows:
        yield Block("Known answers, read back (ms)", HEADER, rows)
