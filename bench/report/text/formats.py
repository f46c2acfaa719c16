"""A run's figures for other programs: Markdown, JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from bench.report.text.csv_rows import csv_row
from bench.report.text.table import markdown, notes
from bench.store.records import MetricRow
from bench.summary.causes import PresetCauses, Tally
from bench.summary.summary import RunSummary
from bench.summary.verdict import verdicts

_DERIVED = {
    "RunSummary": ("calibration_error_ms",),
    "PresetSummary": (
        "invalid_rate",
        "unanswered_rate",
        "slowest_ms",
        "slow_answers",
        "conversations",
        "shares",
        "outliers",
    ),
    "DuplexSummary": ("verdict",),
}
"""Properties of a summary that are figures."""
_LEFT_OUT = {
    "RunSummary": {"info", "causes"},
    "PresetSummary": {"answers"},
    "DuplexSummary": {"conversations"},
}
"""Fields that are raw data, not figures."""


def as_markdown(summaries: Sequence[RunSummary]) -> str:
    """The tables of each run, each run under a heading of its own."""
    return "\n".join(f"## {s.run_id}\n\n{markdown(s)}" for s in summaries)


def as_json(summaries: Sequence[RunSummary]) -> str:
    """All estimates with their n and intervals; null where there is no figure."""
    runs = [
        {
            **plain(s),
            "verdicts": verdicts(s),
            "causes": [_cause(found, tally) for found in s.causes for tally in found.tallies],
            "machine": plain(s.info.get("machine")),
            "notes": notes(s),
        }
        for s in summaries
    ]
    return json.dumps({"runs": runs}, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _cause(of: PresetCauses, tally: Tally) -> dict[str, Any]:
    trial_id, turn = tally.largest_in
    return {
        "preset": of.preset,
        "cause": tally.cause.name,
        "loses": tally.cause.loses,
        "turns": tally.turns,
        "of_turns": of.turns,
        "median_ms": tally.median_ms,
        "largest_ms": tally.largest_ms,
        "largest_in": {"trial": trial_id, "turn": turn},
        "lost_ms": tally.lost_ms,
    }


def as_csv(rows: Sequence[MetricRow]) -> str:
    """Every figure of every turn and trial, one a line: the columns of ``metrics.parquet``."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = [field.name for field in fields(MetricRow)]
    writer.writerow(names)
    writer.writerows(csv_row(getattr(row, name) for name in names) for row in rows)
    return out.getvalue()


def plain(value: Any) -> Any:
    """Records as plain JSON types; NaN and infinity as null."""
    if is_dataclass(value) and not isinstance(value, type):
        kind = type(value).__name__
        named = [f.name for f in fields(value) if f.name not in _LEFT_OUT.get(kind, ())]
        named += _DERIVED.get(kind, ())
        return {name: plain(getattr(value, name)) for name in named}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
