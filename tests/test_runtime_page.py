"""docs/runtime.md: its tables are those of the code, and its examples are right."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import runtime_cost  # noqa: E402  (found by the path above)
import runtime_tables  # noqa: E402

from pipelines.server.config.tables import all_options  # noqa: E402

PAGE = runtime_tables.DOCS.read_text(encoding="utf-8")


def test_its_tables_are_those_of_the_code():
    assert runtime_tables.page(PAGE) == PAGE, "run: python scripts/runtime_tables.py"


def test_its_options_exist():
    flags = set(
        re.findall(r"(--(?:skills|policy|warmth|limits)[a-z-]*|--fallback|--greeting)", PAGE)
    )
    assert len(flags) >= 15
    assert flags <= {option.flag for option in all_options()}


def test_its_scripts_exist():
    for script in set(re.findall(r"scripts/\w+\.py", PAGE)):
        assert (ROOT / script).is_file(), script


async def test_the_conductor_s_cost_is_measured_chunk_by_chunk():
    bare, conducted = await runtime_cost.measure(50)
    assert len(bare) == len(conducted) == 50
    assert min(bare) > 0 and min(conducted) > 0
