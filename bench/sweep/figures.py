"""The table of a sweep: each preset of each run, with the machine that it was measured on.

Figures of two machines stand in two lines; none is made of both.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bench.store import store
from bench.summary.summary import summarise
from bench.sweep.folder import SweepFolder


def rows(folder: SweepFolder) -> Iterator[dict[str, Any]]:
    """One line a preset of a run, in the order of names, as plain JSON types.

    Raises:
        StoreError: a run can't be read.
    """
    for one in folder.runs():
        run = store.read_run(one.path)
        summary = summarise(run, store.read_metrics(one.path))
        machine = run.info.get("machine", {})
        for of in summary.presets:
            yield {
                "run": one.path.name,
                "machine": one.machine,
                "cpu": machine.get("cpu"),
                "preset": of.preset,
                "network": of.network or None,
                "trials": of.trials,
                "turns": of.turns,
                "valid": of.turns - len(of.invalid),
                "answered": of.answered,
                "p50_ms": of.p50.value,
                "p50_low_ms": of.p50.low,
                "p50_high_ms": of.p50.high,
                "n": of.p50.n,
                "slowest_ms": of.slowest_ms,
            }
