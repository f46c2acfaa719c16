"""How much CPU a command takes before and after: pairs of two checkouts, one after the other.

python scripts/start_times.py BASE                  this checkout against another one, 5 pairs
python scripts/start_times.py BASE --run RUN --pairs 9
python scripts/start_times.py BASE --compiled       Python's compiled files are kept, as at home

Each checkout is run with its own ``.venv``. A pair is one run of each, so that a busy machine
burdens both; what is printed is the user CPU time of the process and its children, median over the
pairs, and the median of the pairs' ratios. RUN is copied first: nothing is written into it.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parent.parent
COMMANDS: dict[str, tuple[str, ...]] = {
    "--help": ("--help",),
    "presets list": ("presets", "list"),
    "show RUN": ("show", "{run}"),
    "report RUN": ("report", "{run}", "--out", "{out}"),
}
"""What is timed; ``{run}`` and ``{out}`` are filled in."""


def user_s(checkout: Path, words: list[str], environment: dict[str, str]) -> float:
    """User CPU seconds of one command.

    Raises:
        SystemExit: it failed.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    command = [str(checkout / ".venv/bin/duplex-lab"), *words]
    done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: exit code {done.returncode}: {done.stderr[-500:]}")
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("base", type=Path, help="the other checkout, with its .venv")
    parser.add_argument("--here", type=Path, default=ROOT)
    parser.add_argument("--run", type=Path, default=ROOT / "results" / "sample")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--compiled", action="store_true")
    chosen = parser.parse_args()
    sides = [chosen.base.resolve(), chosen.here.resolve()]
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / chosen.run.resolve().name
        shutil.copytree(chosen.run, run)
        environment = {**os.environ, "COLUMNS": "100"}
        if chosen.compiled:
            environment.pop("PYTHONDONTWRITEBYTECODE", None)
            environment["PYTHONPYCACHEPREFIX"] = f"{folder}/compiled"
        else:
            environment["PYTHONDONTWRITEBYTECODE"] = "1"
        print(f"{chosen.pairs} pairs, load average {os.getloadavg()[0]:.1f}; user CPU, s")
        print(f"{'command':<14} {'base':>7} {'here':>7} {'ratio':>7}")
        for name, words in COMMANDS.items():
            filled = [word.format(run=run, out=f"{folder}/page.html") for word in words]
            if chosen.compiled:
                for side in sides:
                    user_s(side, filled, environment)
            pairs = [
                tuple(user_s(side, filled, environment) for side in sides)
                for _ in range(chosen.pairs)
            ]
            base, here = (median(of_side) for of_side in zip(*pairs, strict=True))
            ratio = median(after / before for before, after in pairs)
            print(f"{name:<14} {base:7.2f} {here:7.2f} {ratio:7.2f}", flush=True)


if __name__ == "__main__":
    main()
