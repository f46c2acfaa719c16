"""The tables as data: documented, versioned, and of one mind with the records."""

from dataclasses import fields
from pathlib import Path

import pytest

from bench.store.records import FAILED, STATUSES, MetricRow, Trial
from bench.store.schema import (
    HISTORY,
    METRICS,
    SCHEMA_VERSION,
    TABLE_KEY,
    TABLES,
    TRIALS,
    VERSION_KEY,
    arrow_schema,
    markdown,
)
from pipelines.kinds import KINDS, WEIGHTS
from pipelines.marks import Mark

README = Path(__file__).parents[3] / "results" / "README.md"


def test_the_readme_describes_every_column_as_the_schema_does() -> None:
    text = README.read_text(encoding="utf-8")
    assert markdown() in text, "write bench.store.schema.markdown() into results/README.md again"


def test_every_column_stands_in_the_markdown_with_its_description() -> None:
    text = markdown()
    for columns in TABLES.values():
        for column in columns:
            assert f"| `{column.name}` |" in text
            assert column.description in text


def test_the_current_version_has_its_line_of_history() -> None:
    assert max(HISTORY) == SCHEMA_VERSION
    assert sorted(HISTORY) == list(range(1, SCHEMA_VERSION + 1))


@pytest.mark.parametrize("table", TABLES)
def test_a_table_carries_its_name_and_version(table: str) -> None:
    metadata = arrow_schema(table).metadata
    assert metadata[VERSION_KEY] == str(SCHEMA_VERSION).encode()
    assert metadata[TABLE_KEY] == table.encode()


@pytest.mark.parametrize(
    ("record", "table", "more"),
    [(Trial, "trials", set()), (MetricRow, "metrics", set()), (Mark, "marks", {"trial_id", "seq"})],
)
def test_a_record_and_its_table_have_the_same_fields(
    record: type, table: str, more: set[str]
) -> None:
    assert {f.name for f in fields(record)} | more == {c.name for c in TABLES[table]}


def test_what_may_be_none_in_a_record_may_be_null_in_its_table() -> None:
    for record, columns in ((Trial, TRIALS), (MetricRow, METRICS)):
        optional = {f.name for f in fields(record) if "None" in str(f.type)}
        assert optional == {c.name for c in columns if c.nullable}


def test_the_closed_lists_stand_in_the_descriptions() -> None:
    described = {c.name: c.description for c in TRIALS}
    assert all(status in described["status"] for status in STATUSES)
    assert all(weights in described["weights"] for weights in WEIGHTS)
    assert all(kind in described["kind"] for kind in KINDS)


def test_failures_are_statuses_and_a_trials_kind_is_a_cascade_unless_said() -> None:
    assert set(FAILED) < set(STATUSES)
    assert Trial("r", "t", "p", "f", 0, t0_ns=0, rate_hz=1, turns=1).kind == "cascade"
