"""The labs' READMEs say what the code checks, and their figures come from a run."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
LABS = {"5a": "lab5a_cascade", "5b": "lab5b_duplex", "5c": "lab5c_face"}


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("lab_readme", ROOT / "scripts" / "lab_readme.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("lab", "folder"), LABS.items())
def test_the_readme_lists_the_checks_that_there_are(script, lab, folder):
    text = (ROOT / "labs" / folder / "README.md").read_text(encoding="utf-8")
    assert script.filled(text, "checks", script.checks(lab)) == text


@pytest.mark.parametrize("folder", LABS.values())
def test_the_readme_holds_the_figures_of_a_run(folder):
    text = (ROOT / "labs" / folder / "README.md").read_text(encoding="utf-8")
    block = text.partition("<!-- numbers -->")[2].partition("<!-- /numbers -->")[0]
    assert any(letter.isdigit() for letter in block)


def test_only_what_stands_between_the_comments_is_replaced(script):
    text = "a\n<!-- n -->\nold\n<!-- /n -->\nb\n"
    assert script.filled(text, "n", "new") == "a\n<!-- n -->\nnew\n<!-- /n -->\nb\n"
