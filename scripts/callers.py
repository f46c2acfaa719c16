"""How late are many callers in one process, and what do they cost? By one loop, and by threads.

python scripts/callers.py                  1, 16, 32, 50 and 64 calls, each way in turn, 3 times
python scripts/callers.py --write          writes the table into docs/capacity.md

Beside an agent that costs little, in another process. Aim: 50 calls and more a core, mouth p99
within 5 ms, 2 % of a core a call.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from readme import filled  # noqa: E402

from bench.capacity.callers import WAYS, Callers, WayName  # noqa: E402
from bench.capacity.own_limit import Alone, alone, cheap_agent  # noqa: E402

HEAD = ("calls at once", "by", "late", "mouth p99, ms", "CPU a call", "callers' process")
PAGE, MARK = ROOT / "docs" / "capacity.md", "callers"


def main() -> None:
    """Reads the command line, plays, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--calls", default="1,16,32,50,64")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--write", action="store_true")
    chosen = parser.parse_args()
    counts = [int(text) for text in chosen.calls.split(",")]
    found: dict[tuple[int, WayName], list[Alone]] = {}
    with cheap_agent() as url:
        for _ in range(chosen.repeats):
            for way in WAYS:
                with Callers(way) as callers:
                    alone(callers, url, 1)
                    for calls in counts:
                        one = alone(callers, url, calls)
                        found.setdefault((calls, way), []).append(one)
                        print(way, one, f"load {os.getloadavg()[0]:.1f}", flush=True)
    lines = [f"| {' | '.join(HEAD)} |", "|---" * len(HEAD) + "|"]
    for (calls, way), of in sorted(found.items()):
        cost = median(one.cpu_percent_a_call for one in of)
        cells = (
            f"{calls}",
            way,
            f"{sum(one.late for one in of)} of {calls * len(of)}",
            f"{median(one.mouth_p99_ms for one in of):.2f}",
            f"{cost:.2f} %",
            f"{calls * cost:.0f} % of a core",
        )
        lines.append(f"| {' | '.join(cells)} |")
    print("\n".join(lines))
    if chosen.write:
        PAGE.write_text(filled(PAGE.read_text("utf-8"), MARK, "\n".join(lines)), "utf-8")


if __name__ == "__main__":
    main()
