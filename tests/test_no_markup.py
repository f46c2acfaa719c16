"""Text is printed as it is: no module gives text to a printer that reads markup in it."""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
MAY_DRAW = {
    "bench/runner/progress.py": "a bar on a terminal",
    "bench/cli/inventory/fetch_progress.py": "a bar for each file",
    "bench/report/text/layout.py": "the width of letters",
}
"""Module that uses rich → for what."""


def modules() -> list[Path]:
    return [path for top in ("bench", "labs", "pipelines") for path in ROOT.glob(f"{top}/**/*.py")]


def rich_names(path: Path) -> set[str]:
    """What a module imports of rich, also inside its functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "rich":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name for a in node.names if a.name.split(".")[0] == "rich"}
    return found


def test_only_progress_bars_are_drawn_by_rich() -> None:
    users = {path.relative_to(ROOT).as_posix(): rich_names(path) for path in modules()}
    assert {name for name, of in users.items() if of} == set(MAY_DRAW)
    assert users["bench/report/text/layout.py"] == {"cell_len"}


def test_every_text_of_a_bar_is_literal() -> None:
    found = 0
    for name in MAY_DRAW:
        for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "TextColumn":
                found += 1
                literal = {k.arg: getattr(k.value, "value", None) for k in node.keywords}
                assert literal.get("markup") is False, f"{name}:{node.lineno}"
    assert found == 3
