"""Fills docs/causes.md from the rows of the known causes.

python scripts/causes.py
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from readme import filled  # noqa: E402  (found by the path above)

from bench.causes.cause import Cause, Loses  # noqa: E402
from bench.causes.table import CAUSES  # noqa: E402

DOCS = ROOT / "docs" / "causes.md"
TITLES: dict[Loses, str] = {
    "answer": "Time that the answer loses",
    "stop": "Time that the stop for an interruption loses",
    "figure": "Time that voice to voice leaves out",
}
"""What is lost → the heading over its causes."""


def causes() -> str:
    """A section for each cause, under a heading for each kind of loss."""
    return "\n\n".join(_sections())


def _sections() -> Iterator[str]:
    for loses, title in TITLES.items():
        yield f"## {title}"
        for cause in CAUSES:
            if cause.loses == loses:
                yield _section(cause)


def _section(cause: Cause) -> str:
    return "\n".join(
        (
            f"### `{cause.name}`: {cause.short}",
            "",
            cause.sentence,
            "",
            f"- **Mend:** {cause.mend}",
            f"- **Shown by:** {cause.shown_by}.",
            f"- **Seen in:** {cause.versions}. **Source:** {cause.source}",
        )
    )


def page(text: str) -> str:
    """The page's text, filled."""
    return filled(text, "causes", causes())


def main() -> None:
    """Rewrites docs/causes.md."""
    DOCS.write_text(page(DOCS.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
