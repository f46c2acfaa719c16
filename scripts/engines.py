"""Fills docs/engines.md from the rows of the engines and of the duplex adapters.

python scripts/engines.py
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from readme import filled  # noqa: E402  (found by the path above)

from pipelines.duplex import adapters as duplex  # noqa: E402
from pipelines.engines import adapters as cascade  # noqa: E402
from pipelines.engines.row import EngineRow  # noqa: E402
from pipelines.process.environment import get  # noqa: E402

DOCS = ROOT / "docs" / "engines.md"


def engines() -> str:
    """A line for each engine of a cascade's stage."""
    head = ("stage", "engine", "what it is", "runs", "computes on", "can", "licence", "tested with")
    return table(
        head,
        (
            (
                row.stage,
                f"`{row.name}`",
                row.what,
                runs(row),
                ", ".join(row.devices),
                ", ".join(row.capabilities),
                row.licence,
                "; ".join(filter(None, (row.tested, row.untested))),
            )
            for row in cascade.all_rows()
        ),
    )


def adapters() -> str:
    """A line for each adapter of a duplex model."""
    head = ("backend", "what it is", "models", "runs", "computes on", "licence", "tested with")
    return table(
        head,
        (
            (
                f"`{row.name}`",
                row.what,
                ", ".join(f"`{family}-…`" for family in row.families),
                environment(row.environment),
                ", ".join(row.devices),
                row.licence,
                row.tested,
            )
            for row in duplex.all_rows()
        ),
    )


def runs(row: EngineRow) -> str:
    """Which process and which Python run an engine."""
    return "Pipecat's service, a server of yours" if row.service else environment(row.environment)


def environment(name: str) -> str:
    """Which Python that is."""
    if not name:
        return "our own Python"
    return f"environment `{name}`{', compiled here' if get(name).compiled else ''}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [f"| {' | '.join(cells)} |" for cells in (head, *rows)]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])


def page(text: str) -> str:
    """The page with both tables as the rows have them."""
    return filled(filled(text, "engines", engines()), "adapters", adapters())


def main() -> None:
    """Rewrites docs/engines.md."""
    DOCS.write_text(page(DOCS.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
