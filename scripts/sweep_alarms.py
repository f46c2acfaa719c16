"""Two machines of one sweep that played the same preset: what compare says of them, and how often
it would raise an alarm if they did not differ, their trials dealt anew.

python scripts/sweep_alarms.py results/night/night@north results/night/night@south PRESET
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench.compare.compare import compare
from bench.compare.dealt_anew import false_alarms
from bench.compare.pairs import Side
from bench.stats.quantiles import rate
from bench.store import store
from bench.store.atomic import StoreError

SAMPLES = 1000


def side(path: Path, preset: str) -> Side:
    """One preset of a run."""
    try:
        run = store.read_run(path)
    except StoreError as error:
        sys.exit(str(error))
    if preset not in {trial.preset for trial in run.trials}:
        sys.exit(f"{path}: there is no preset {preset!r} in it.")
    return Side.of(run.run_id, preset, run.trials, store.read_metrics(path))


def main() -> None:
    """Prints both."""
    asked = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    asked.add_argument("base", type=Path)
    asked.add_argument("candidate", type=Path)
    asked.add_argument("preset")
    asked.add_argument("--samples", type=int, default=SAMPLES)
    args = asked.parse_args()
    base, candidate = side(args.base, args.preset), side(args.candidate, args.preset)
    (found,) = compare([(base, candidate)])
    for one in found.metrics:
        if one.shift.p is not None:
            n = one.pairs.conversations
            print(f"{one.compared.metric}: {one.verdict}, n {n}")
    dealt = false_alarms(base, candidate, args.samples)
    share = rate(dealt.alarms, dealt.samples)
    assert share.value is not None and share.low is not None and share.high is not None
    print(
        f"dealt anew: an alarm in {dealt.alarms} of {dealt.samples} comparisons, "
        f"{100 * share.value:.1f} % [{100 * share.low:.1f} – {100 * share.high:.1f}]"
        + "".join(f"; {name} {n}" for name, n in sorted(dealt.by_metric.items()))
    )


if __name__ == "__main__":
    main()
