"""Writes what searches for a capacity found into docs/capacity.md, from their runs.

python scripts/capacity_table.py RUN...
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from readme import filled  # noqa: E402

from bench.report.capacity import listing, verdict  # noqa: E402
from bench.report.text.listing import markdown_of  # noqa: E402
from bench.store.store import read_info  # noqa: E402

PAGE, MARK = ROOT / "docs" / "capacity.md", "found"


def main() -> None:
    """Reads the command line, and writes the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parts = []
    for run in parser.parse_args().runs:
        info = read_info(run)
        kept = info.get("capacity")
        if not kept or kept["mean_length_s"] is None or not kept["levels"]:
            sys.exit(f"{run}: holds no search for a capacity with a load that was played.")
        limits = ", ".join(f"`{name}`" for name in kept["slos"])
        parts.append(
            f"**{kept['agent']}**, limits {limits}, {kept['calls_a_load']} calls a load, "
            f"{len(kept['fixtures'])} fixtures of {kept['mean_length_s']:.1f} s; "
            f"{info['machine']['cpu']}, {info['machine']['cores']} cores. {' '.join(verdict(kept))}"
        )
        parts.append(markdown_of(listing(kept).block()))
    PAGE.write_text(filled(PAGE.read_text("utf-8"), MARK, "\n\n".join(parts)), "utf-8")


if __name__ == "__main__":
    main()
