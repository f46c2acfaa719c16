"""docs/architecture.md says what is there."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import architecture  # noqa: E402  (found by the path above)
from arrows import TOPS  # noqa: E402
from readme import section  # noqa: E402

TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_the_page_lists_every_folder_with_its_own_first_sentence():
    assert section(TEXT, "rooms") == architecture.rooms(), "run: python scripts/architecture.py"


@pytest.mark.parametrize("top", architecture.PICTURES)
def test_the_pictures_are_of_the_imports_as_they_are(top):
    kept = (ROOT / "docs" / architecture.PICTURES[top]).read_text(encoding="utf-8")
    assert kept == architecture.picture(top), "run: python scripts/architecture.py"


def test_every_folder_and_every_module_says_what_it_is():
    for top in TOPS:
        for path in (ROOT / top).glob("**/*.py"):
            assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path
