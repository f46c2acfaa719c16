"""Fills the tables of docs/statistics.md by simulation: coverage, false alarms, power.

python scripts/stats_coverage.py                all tables, under four minutes of one core
python scripts/stats_coverage.py --only power   one: coverage, alarms, gates or power
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from readme import filled  # noqa: E402  (found by the path above)

from bench.simulated import coverage, power  # noqa: E402

DOCS = ROOT / "docs" / "statistics.md"
ALARM_SIZES = {25: 600, 50: 600, 100: 200}
"""n → number of pairs of agents that are compared."""
SLOWER_SIZES = {25: 100, 50: 100, 100: 100}
SLOWER_X = 1.08
POWER_SAMPLES = 300


def percent(share: float) -> str:
    """A share as the tables show it."""
    return f"{100 * share:.1f} %"


def coverage_rows() -> Iterator[str]:
    """How often each interval holds the truth."""
    yield from ("| interval | data | n | covers | samples |", "|---|---|---|---|---|")
    for experiment in coverage.EXPERIMENTS:
        for n in experiment.sizes:
            yield coverage.row(experiment, n)


def alarm_rows() -> Iterator[str]:
    """Verdicts on agents that do not differ."""
    yield "| n | any verdict | any p ≤ 5 %, without Holm | all intervals hold no change | samples |"
    yield "|---|---|---|---|---|"
    for n, samples in ALARM_SIZES.items():
        found = power.alarms(n, samples)
        shares = (found.any_verdict, found.without_holm, found.all_held)
        yield f"| {n} | {' | '.join(map(percent, shares))} | {samples} |"


def gate_rows() -> Iterator[str]:
    """Results of gates for agents that do not differ, and for a slower one."""
    yield "| candidate | gate | n | holds | broken | can't say | samples |"
    yield "|---|---|---|---|---|---|---|"
    for name, slower in (("the same", 1.0), (f"{100 * (SLOWER_X - 1):.0f} % slower", SLOWER_X)):
        for n, samples in SLOWER_SIZES.items():
            found = power.alarms(n, samples, slower)
            for gate, shares in found.gate.items():
                told = " | ".join(f"{100 * share:.0f} %" for share in shares)
                yield f"| {name} | `{gate}` | {n} | {told} | {samples} |"


def power_rows() -> Iterator[str]:
    """Number of conversations that show a change in 80 % of cases."""
    yield (
        "| change | scatter of one agent, one turn | n, one test | "
        f"n, first of {power.FAMILY} tests | n, one test by order statistics (not used) | samples |"
    )
    yield "|---|---|---|---|---|---|"
    for effect in power.EFFECTS:
        for scatter in power.SCATTERS:
            yield power_row(effect, scatter)


def power_row(effect: power.Effect, scatter: float) -> str:
    """One line of it."""
    told = (
        f"over {power.SIZES[-1]}" if n is None else str(n)
        for n in power.needed(effect, scatter, POWER_SAMPLES)
    )
    cells = [effect.name, f"{100 * scatter:.0f} %", *told, str(POWER_SAMPLES)]
    return f"| {' | '.join(cells)} |"


TABLES: dict[str, Callable[[], Iterator[str]]] = {
    "coverage": coverage_rows,
    "alarms": alarm_rows,
    "gates": gate_rows,
    "power": power_rows,
}
"""Section of the docs → its lines."""


def main() -> None:
    """Rewrites the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", action="append", choices=list(TABLES), help="default: all")
    chosen = parser.parse_args().only or list(TABLES)
    began = time.process_time()
    for name in chosen:
        lines = []
        for line in TABLES[name]():
            print(line, file=sys.stderr, flush=True)
            lines.append(line)
        text = DOCS.read_text(encoding="utf-8")
        DOCS.write_text(filled(text, name, "\n".join(lines)), encoding="utf-8")
    print(f"{time.process_time() - began:.0f} s of one core", file=sys.stderr)


if __name__ == "__main__":
    main()
