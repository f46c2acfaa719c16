"""docs/features.md: every feature of the seeds once, and nothing named that is not there."""

import ast
import re
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "features.md"
LAST = {"L": 24, "M": 33, "X": 19, "V": 28}
"""Letter of a seed → the number of its last feature."""
NEVER = {"M6", "M18", "M20", "M31", "M32", "V6"}
"""Numbers that were given to no feature."""
IDS = [f"{of}{n}" for of, last in LAST.items() for n in range(1, last + 1)]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if re.match(r"\| [LMXV]\d+ \|", line)
]


def named(cell):
    return re.findall(r"`([^`]+)`", cell)


def test_each_of_the_98_features_is_there_once():
    wanted = [name for name in IDS if name not in NEVER]
    assert len(wanted) == 98
    assert [row[0] for row in ROWS] == wanted


def test_the_count_at_the_top_is_that_of_the_rows():
    count = Counter(row[2] for row in ROWS)
    assert count.keys() <= {"done", "partly", "not"}
    said = f"{count['done']} done, {count['partly']} partly, {count['not']} not."
    assert said in PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_what_a_row_names_is_there_and_it_says_what_its_verdict_asks_for(row):
    assert len(row) == 6
    _, _, verdict, where, tests, missing = row
    for path in named(where):
        assert (ROOT / path).exists(), path
    for test in named(tests):
        path, _, name = test.partition(":")
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        functions = {
            n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)
        }
        assert not name or name in functions, test
    if verdict == "done":
        assert named(where) and named(tests) and missing == "–"
    else:
        assert len(missing) > 10


def test_the_fine_tune_of_a_persona_has_its_pointer():
    assert "moshi-finetune" in (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
