"""Fills docs/architecture.md from the code: a line a folder, and a picture of the arrows.

A folder's line is read off its ``__init__`` docstring, the arrows off the imports.

python scripts/architecture.py
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

from arrows import TOPS, folder_arrows, levels, reduced  # noqa: E402  (found by the path above)
from readme import filled  # noqa: E402

DOCS = ROOT / "docs" / "architecture.md"
PICTURES = {"bench": "architecture-bench.svg", "pipelines": "architecture-pipelines.svg"}
"""Top folder → its picture, beside the page."""
BOX_W, BOX_H, GAP_X, GAP_Y, EDGE = 118, 30, 16, 46, 14
"""Sizes of the picture, px."""


def rooms() -> str:
    """A line a folder: the number of its modules, and what its docstring says first."""
    lines = ["```"]
    for top in TOPS:
        for folder in sorted(path.parent for path in (ROOT / top).glob("**/__init__.py")):
            name = f"{folder.relative_to(ROOT).as_posix()}/"
            modules = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
            lines.append(f"{name:<34} {len(modules):>2}  {says(folder)}")
    return "\n".join([*lines, "```"])


def says(folder: Path) -> str:
    """The first sentence of a folder's docstring, without markup."""
    doc = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    sentence = re.split(r"(?<=[.?])\s", " ".join(doc.split()))[0]
    return sentence.rstrip(".").replace("`", "")


def picture(top: str) -> str:
    """The folders of a top folder as boxes, and who uses whom as lines down: an SVG.

    Whoever stands higher uses what stands below it. A line that a longer way says already is left
    out, and so is the top folder itself, which all of its folders may use.
    """
    inside = {
        name: {other for other in used if other.startswith(f"{top}.")}
        for name, used in folder_arrows().items()
        if name.startswith(f"{top}.")
    }
    shown, level = reduced(inside), levels(inside)
    rows = _rows(shown, level)
    width = 2 * EDGE + max(len(row) for row in rows) * (BOX_W + GAP_X) - GAP_X
    height = 2 * EDGE + len(rows) * (BOX_H + GAP_Y) - GAP_Y
    at: dict[str, tuple[float, float]] = {}
    for y, row in enumerate(rows):
        left = (width - len(row) * (BOX_W + GAP_X) + GAP_X) / 2
        for x, name in enumerate(row):
            at[name] = (left + x * (BOX_W + GAP_X), EDGE + y * (BOX_H + GAP_Y))
    lines = [_line(at[name], at[other]) for name, used in shown.items() for other in sorted(used)]
    boxes = [_box(at[name], name.removeprefix(f"{top}.").replace(".", "/")) for name in sorted(at)]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">'
    )
    ground = f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    return "\n".join([head, ground, *lines, *boxes, "</svg>"]) + "\n"


def _rows(arrows: Mapping[str, set[str]], level: Mapping[str, int]) -> list[list[str]]:
    """The boxes row by row, highest first; in a row each stands near those that it uses."""
    highest = max(level.values())
    rows = [sorted(n for n, at in level.items() if at == highest - y) for y in range(highest + 1)]
    for _ in range(8):
        for y in range(len(rows) - 2, -1, -1):
            place = _places(rows)
            rows[y].sort(key=lambda name: _mean([place[n] for n in arrows.get(name, ())], name))
        for y in range(1, len(rows)):
            place = _places(rows)
            users = {n: [place[u] for u, used in arrows.items() if n in used] for n in rows[y]}
            rows[y].sort(key=lambda name: _mean(users[name], name))
    return rows


def _places(rows: Sequence[Sequence[str]]) -> dict[str, float]:
    """Where each box stands in its row, from −½ to ½."""
    return {name: (x + 0.5) / len(row) - 0.5 for row in rows for x, name in enumerate(row)}


def _mean(places: Sequence[float], name: str) -> tuple[float, str]:
    return (sum(places) / len(places) if places else 0.0, name)


def _line(above: tuple[float, float], below: tuple[float, float]) -> str:
    x1, y1 = above[0] + BOX_W / 2, above[1] + BOX_H
    x2, y2 = below[0] + BOX_W / 2, below[1]
    bend = (y1 + y2) / 2
    path = f"M{x1:g} {y1:g}C{x1:g} {bend:g} {x2:g} {bend:g} {x2:g} {y2:g}"
    return f'<path d="{path}" fill="none" stroke="#0072B2" stroke-width="1.2" opacity="0.6"/>'


def _box(at: tuple[float, float], name: str) -> str:
    x, y = at
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{BOX_W}" height="{BOX_H}" rx="4" fill="#F4F7FA" '
        f'stroke="#555555"/><text x="{x + BOX_W / 2:g}" y="{y + BOX_H / 2 + 4:g}" '
        f'text-anchor="middle" fill="#222222">{escape(name)}</text>'
    )


def main() -> None:
    """Rewrites docs/architecture.md and its pictures."""
    DOCS.write_text(filled(DOCS.read_text(encoding="utf-8"), "rooms", rooms()), encoding="utf-8")
    for top, name in PICTURES.items():
        (DOCS.parent / name).write_text(picture(top), encoding="utf-8")


if __name__ == "__main__":
    main()
