"""Lists in four formats, of the same rows."""

import csv
import io
import json

import pytest

from bench.report.text.console import Screen
from bench.report.text.listing import Column, Format, Listing, print_lists

ROWS = (
    {"name": "a [stt] | b", "size": 12.5, "tags": ["x", "y"], "here": True, "why": None},
    {"name": "=1+1", "size": None, "tags": [], "here": False, "why": "no | file"},
)
LISTING = Listing(
    "things",
    (
        Column("name", "name"),
        Column("size", lambda row: f"{row['size'] or 0:.0f} MB", is_figure=True),
        Column("tags", "tags"),
        Column("here", "here"),
        Column("why", "why"),
    ),
    ROWS,
)
OTHER = Listing("others", (Column("name", "name"),), ({"name": "o"},))


def printed(form: Format, capsys: pytest.CaptureFixture[str], *lists: Listing) -> tuple[str, str]:
    print_lists(form, *lists)
    found = capsys.readouterr()
    return found.out, found.err


def test_a_table_has_one_line_an_item() -> None:
    out = io.StringIO()
    print_lists(Format.table, LISTING, notes=("2 things [all]",), screen=Screen(out, 80))
    assert out.getvalue().splitlines() == [
        "name          size  tags  here  why",
        "─────────────────────────────────────────",
        "a [stt] | b  12 MB  x, y  yes   –",
        "=1+1          0 MB  –     no    no | file",
        "2 things [all]",
    ]


def test_json_holds_every_key_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(printed(Format.json, capsys, LISTING)[0]) == list(ROWS)
    several = json.loads(printed(Format.json, capsys, OTHER, LISTING)[0])
    assert several == {"others": [{"name": "o"}], "things": list(ROWS)}


def test_csv_is_a_line_an_item_and_no_text_becomes_a_formula(
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, err = printed(Format.csv, capsys, OTHER, LISTING)
    assert list(csv.reader(io.StringIO(out))) == [
        ["name", "size", "tags", "here", "why"],
        ["a [stt] | b", "12.5", "x, y", "true", ""],
        ["'=1+1", "", "", "false", "no | file"],
    ]
    assert err == "duplex-lab: csv holds things alone; --format json has others too.\n"


def test_markdown_keeps_bars_inside_their_cells(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(Format.md, capsys, LISTING)[0].splitlines() == [
        "| name | size | tags | here | why |",
        "|---|---|---|---|---|",
        "| a [stt] \\| b | 12 MB | x, y | yes | – |",
        "| =1+1 | 0 MB | – | no | no \\| file |",
    ]


def test_an_empty_list_is_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    empty = Listing("things", LISTING.columns, ())
    assert json.loads(printed(Format.json, capsys, empty)[0]) == []
    assert printed(Format.csv, capsys, empty)[0] == "\n"
    assert printed(Format.table, capsys, empty)[0].splitlines()[0].split() == [
        "name", "size", "tags", "here", "why",
    ]  # fmt: skip
