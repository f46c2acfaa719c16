"""What a kept run says of its presets' ends of turns: as a person heard them, all computing in it.

A run is of whole agents: its waits end with the first sound of the answer, and hold what language
model and voice took. Its cut-offs are sounds of the agent within a labelled pause.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.endpointing.tables import Row
from bench.metrics.compute import compute
from bench.stats.quantiles import Estimate, Key
from bench.store import store
from bench.store.records import MetricRow
from bench.summary.summary import PresetSummary, summarise
from bench.summary.turn_taking import early_starts

COUNTED = ("pauses", "pause_onsets")


def as_played(folder: Path) -> list[Row]:
    """A row for each preset of a run.

    Raises:
        StoreError: it is no run.
    """
    run = store.read_run(folder)
    kept = (folder / "metrics.parquet").exists()
    rows = store.read_metrics(folder) if kept else compute(run)
    return [_row(preset, rows) for preset in summarise(run, rows).presets]


def _row(preset: PresetSummary, rows: Sequence[MetricRow]) -> Row:
    counts: dict[str, list[tuple[Key, float]]] = {}
    own = (r for r in rows if r.preset == preset.preset and r.valid and not r.warmup)
    for row in own:
        if row.metric in COUNTED and row.value is not None:
            counts.setdefault(row.metric, []).append(((row.fixture, row.turn), row.value))
    early = early_starts(counts)
    return {
        "preset": preset.preset,
        "weights": preset.weights,
        **_of("cut_offs", early, 100),
        "pauses": early.n,
        **_of("heard_p50_ms", preset.p50),
        **_of("heard_p95_ms", preset.p95),
        "slowest_ms": max(preset.values, default=None),
        "decided_p50_ms": _median(preset, "endpointing_delay"),
        "turns": preset.p50.n,
        "unanswered": preset.turns - preset.answered,
        **_of("right", preset.success, 100),
    }


def _median(preset: PresetSummary, metric: str) -> float | None:
    found = preset.medians.get(metric)
    return None if found is None else found.value


def _of(name: str, of: Estimate, times: float = 1) -> dict[str, Any]:
    named = {name: of.value, f"{name}_low": of.low, f"{name}_high": of.high}
    return {key: None if value is None else times * value for key, value in named.items()}
