"""docs/causes.md says what the rows of the known causes say, and every row says all of it."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import causes  # noqa: E402  (found by the path above)

from bench.causes.cause import PIPECAT  # noqa: E402
from bench.causes.table import BY_NAME, CAUSES  # noqa: E402


def test_the_page_is_that_of_the_rows():
    text = causes.DOCS.read_text(encoding="utf-8")
    assert causes.page(text) == text, "run: python scripts/causes.py"
    for name in BY_NAME:
        assert f"### `{name}`: " in text


def test_no_two_causes_share_a_name():
    assert len(BY_NAME) == len(CAUSES)


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.name)
def test_a_row_has_one_detector_and_says_all(cause):
    assert (cause.on_turn is None) != (cause.on_run is None)
    for text in (cause.sentence, cause.mend):
        assert text[0].isupper() and text.endswith("."), text
    assert cause.shown_by and not cause.shown_by.endswith(".")
    assert cause.versions and cause.source
    assert len(cause.short) <= 45


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.name)
def test_a_source_in_a_package_or_in_this_repository_is_there(cause):
    if cause.source.startswith(PIPECAT):
        spec = importlib.util.find_spec("pipecat")
        assert spec is not None and spec.origin is not None
        assert (Path(spec.origin).parent / cause.source.removeprefix(f"{PIPECAT}/")).is_file()
    elif cause.source.startswith("this repository, "):
        assert (ROOT / cause.source.removeprefix("this repository, ").partition(":")[0]).is_file()
    else:
        assert cause.source.startswith("https://")
