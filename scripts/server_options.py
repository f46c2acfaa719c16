"""Fills docs/server.md from the tables of the server's options and the rows of its doors.

python scripts/server_options.py
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from readme import filled  # noqa: E402  (found by the path above)

from pipelines.server.config.config import toml_value  # noqa: E402
from pipelines.server.config.option import Option, about  # noqa: E402
from pipelines.server.config.tables import all_options, classes  # noqa: E402

DOCS = ROOT / "docs" / "server.md"
HEAD = ("| `serve` | in the file | default | what it does |", "|---|---|---|---|")


def options() -> str:
    """A table for each table of the options."""
    return "\n\n".join(_table(name, cls) for name, cls in classes().items())


def _table(name: str, cls: type) -> str:
    rows = [_row(one) for one in all_options() if one.table == name]
    return "\n".join((f"**`[{name}]`** {about(cls)}.", "", *HEAD, *rows))


def _row(one: Option) -> str:
    default = "–" if one.default in (None, "", ()) else f"`{toml_value(one.default)}`"
    bounds = f" ({one.bounds})" if one.bounds else ""
    several = "…" if one.is_list else ""
    flag = f"{one.flag}{several}"
    return f"| `{flag}` | `{one.key}` | {default} | {one.help.text}{bounds} |"


def page(text: str) -> str:
    """The page with its tables as the rows say."""
    return filled(text, "options", options())


def main() -> None:
    """Rewrites docs/server.md."""
    DOCS.write_text(page(DOCS.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
