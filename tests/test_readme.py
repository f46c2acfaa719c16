"""The README says what is there."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import readme  # noqa: E402  (found by the path above)

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_tree_lists_every_module_with_its_first_sentence():
    assert readme.section(TEXT, "tree") == readme.tree(), "run: python scripts/readme.py"


def test_every_module_says_what_it_is():
    for line in readme.tree().splitlines()[1:-1]:
        assert len(line.split(maxsplit=1)) == 2, line


def test_the_links_and_commands_lead_somewhere():
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", TEXT):
        assert (ROOT / link).exists(), link
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
    for target in re.findall(r"^make ([a-z-]+)", TEXT, re.M):
        assert target in targets
