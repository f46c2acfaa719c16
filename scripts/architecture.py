"""Fills docs/architecture.md from the code: a line a folder, read off its ``__init__`` docstring.

python scripts/architecture.py
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from readme import filled  # noqa: E402  (found by the path above)

DOCS = ROOT / "docs" / "architecture.md"
TOPS = ("pipelines", "bench", "labs")


def rooms() -> str:
    """A line a folder: how many modules it holds, and what its docstring says first."""
    lines = ["```"]
    for top in TOPS:
        for folder in sorted(path.parent for path in (ROOT / top).glob("**/__init__.py")):
            name = f"{folder.relative_to(ROOT).as_posix()}/"
            lines.append(f"{name:<34} {len(list(modules(folder))):>2}  {says(folder)}")
    return "\n".join([*lines, "```"])


def modules(folder: Path) -> Iterator[Path]:
    """The modules that lie in a folder, not in the folders below it."""
    return (path for path in sorted(folder.glob("*.py")) if path.name != "__init__.py")


def says(folder: Path) -> str:
    """The first sentence of a folder's docstring, without markup."""
    doc = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    sentence = re.split(r"(?<=[.?])\s", " ".join(doc.split()))[0]
    return sentence.rstrip(".").replace("`", "")


def main() -> None:
    """Rewrites docs/architecture.md."""
    DOCS.write_text(filled(DOCS.read_text(encoding="utf-8"), "rooms", rooms()), encoding="utf-8")


if __name__ == "__main__":
    main()
