"""The README says what is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_links_and_commands_lead_somewhere():
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", TEXT):
        assert (ROOT / link).exists(), link
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M)
    for target in re.findall(r"^make ([a-z-]+)", TEXT, re.M):
        assert target in targets
