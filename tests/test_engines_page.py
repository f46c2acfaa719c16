"""docs/engines.md says what the rows of engines and adapters say."""

import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import engines  # noqa: E402  (found by the path above)

from pipelines.duplex import adapters as duplex  # noqa: E402
from pipelines.engines import adapters as cascade  # noqa: E402


def test_the_page_holds_a_line_for_each_row():
    text = engines.DOCS.read_text(encoding="utf-8")
    assert engines.page(text) == text, "run: python scripts/engines.py"
    names = [row.name for row in cascade.all_rows()] + [row.name for row in duplex.all_rows()]
    for name in names:
        assert f"| `{name}` |" in text


def test_a_table_has_a_line_a_row():
    assert engines.table(("a", "b"), [("1", "2"), ("3", "4")]) == (
        "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |"
    )


def test_an_engine_that_is_compiled_here_says_so():
    assert engines.environment("llama") == "environment `llama`, compiled here"
    assert engines.environment("piper") == "environment `piper`"
    assert engines.environment("") == "our own Python"
