"""The README says what is there."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import readme  # noqa: E402  (found by the path above)

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_links_and_commands_lead_somewhere():
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", TEXT):
        assert (ROOT / link).exists(), link
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
    for target in re.findall(r"^make ([a-z-]+)", TEXT, re.M):
        assert target in targets


def test_the_headline_is_the_one_of_the_whole_table():
    bench = (ROOT / "docs" / "bench.md").read_text(encoding="utf-8")
    shown = readme.section(bench, "headline")
    assert readme.section(TEXT, "headline") == shown, "run: python scripts/readme.py"
    for preset in ("cascade-embedded", "cascade-stock", "duplex-nano"):
        assert f"\n| {preset} |" in shown


def test_the_page_is_read_in_a_few_minutes():
    assert len(TEXT.splitlines()) <= 250
