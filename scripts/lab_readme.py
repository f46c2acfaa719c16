"""Fills a lab's README: the list of checks from its code, the figures from the solved lab.

For scripts/lab5a.py, lab5b.py and lab5c.py, which say what the figures are.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))


def filled(text: str, name: str, block: str) -> str:
    """The text with the section between two comments replaced."""
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    head, _, rest = text.partition(start)
    return f"{head}{start}\n{block}\n{end}{rest.partition(end)[2]}"


def checks(lab: str) -> str:
    """A line for each check of a lab."""
    from labs.catalogue import load

    found = load(lab)
    lines = [f"- `{check.name}`: {check.what}" for check in found.checks]
    packed = ", ".join(f"`{pattern}`" for pattern in found.files)
    return "\n".join([f"Packed are {packed}. Checked is:", "", *lines])


def fill(lab: str, folder: str, numbers: Callable[[Path], str]) -> None:
    """Writes the README of a lab's folder; the figures too where a solved lab is named."""
    readme = ROOT / "labs" / folder / "README.md"
    text = filled(readme.read_text(encoding="utf-8"), "checks", checks(lab))
    if len(sys.argv) > 1:
        text = filled(text, "numbers", numbers(Path(sys.argv[1])))
    readme.write_text(text, encoding="utf-8")
