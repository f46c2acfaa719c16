"""Which module and which folder uses which, by the imports as text: nothing is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parent.parent
TOPS = ("pipelines", "bench", "labs")
NAMES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for top in TOPS
    for path in sorted(ROOT.glob(f"{top}/**/*.py"))
}
"""Module → its file; a package's ``__init__`` under the package's name."""


def used_by(path: Path) -> set[str]:
    """Our modules that a file loads, at its top or in its functions; not those for types only."""
    found: set[str] = set()
    for node in _loading(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif node.module:
            full = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {name if name in NAMES else node.module for name in full}
    return {name for name in found if name in NAMES}


def _loading(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """The statements that import something when a module is loaded or a function is called."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        yield from _loading(node)


def folder_of(module: str) -> str:
    """The folder that a module lies in, as a dotted name."""
    return module if NAMES[module].name == "__init__.py" else module.rpartition(".")[0]


def folder_arrows() -> dict[str, dict[str, list[str]]]:
    """Folder → the folders that it uses → by which imports."""
    arrows: dict[str, dict[str, list[str]]] = {}
    for module, path in NAMES.items():
        for used in used_by(path):
            here, there = folder_of(module), folder_of(used)
            if here != there:
                arrows.setdefault(here, {}).setdefault(there, []).append(f"{module} → {used}")
    return arrows


def circle(arrows: Mapping[str, Iterable[str]]) -> list[str]:
    """A way along the arrows that returns to its start; empty: there is none."""
    done: set[str] = set()

    def walk(name: str, trail: tuple[str, ...]) -> list[str]:
        if name in trail:
            return [*trail[trail.index(name) :], name]
        if name in done:
            return []
        for other in sorted(arrows.get(name, ())):
            if found := walk(other, (*trail, name)):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(arrows) if (found := walk(name, ()))), [])


def reduced(arrows: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    """The arrows that no longer way implies: the transitive reduction of an acyclic graph."""
    reach: dict[str, set[str]] = {}

    def below(name: str) -> set[str]:
        if name not in reach:
            direct = set(arrows.get(name, ()))
            reach[name] = direct.union(*map(below, direct))
        return reach[name]

    return {
        name: set(used) - set().union(*map(below, used)) for name, used in sorted(arrows.items())
    }


def levels(arrows: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """Name → length of the longest way down from it; 0: it uses none."""
    found: dict[str, int] = {}

    def level(name: str) -> int:
        if name not in found:
            found[name] = max((level(other) + 1 for other in arrows.get(name, ())), default=0)
        return found[name]

    for name in {*arrows, *(other for used in arrows.values() for other in used)}:
        level(name)
    return found
