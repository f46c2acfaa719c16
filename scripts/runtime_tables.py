"""Fills docs/runtime.md from the policy's table and the hardware's levels.

python scripts/runtime_tables.py
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from readme import filled  # noqa: E402  (found by the path above)

from pipelines.server.runtime.levels import LEVELS  # noqa: E402
from pipelines.server.runtime.policy import STATES, Policy  # noqa: E402

DOCS = ROOT / "docs" / "runtime.md"


def policy() -> str:
    """The policy's table."""
    heads = [state.replace("_", " ") for state in STATES]
    lines = [f"| what | it means | {' | '.join(heads)} |", "|---" * (2 + len(heads)) + "|"]
    for row in Policy().table():
        cells = " | ".join(row[state] for state in STATES)
        lines.append(f"| `{row['what']}` | {row['meaning']} | {cells} |")
    return "\n".join(lines)


def levels() -> str:
    """The hardware's levels."""
    lines = ["| level | GPU memory | what fits today | agents run |", "|---|---|---|---|"]
    lines += [f"| {one.number} | {one.memory} | {one.today} | {one.place} |" for one in LEVELS]
    return "\n".join(lines)


def page(text: str) -> str:
    """The page with its tables as the code says."""
    return filled(filled(text, "policy", policy()), "levels", levels())


def main() -> None:
    """Rewrites docs/runtime.md."""
    DOCS.write_text(page(DOCS.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
