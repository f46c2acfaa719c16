"""Tables and prose in a width: nothing is broken, and what is left out is said."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from bench.report.text.console import Screen
from bench.report.text.escape import visible
from bench.report.text.layout import GAP, prose, table
from bench.stats.format import Block

NAMES = st.text(st.sampled_from("abc-_.0 [](){}ü中語é|/\x1b\n"), min_size=1, max_size=30)
WORDS = st.lists(st.text(st.sampled_from("ab[]中é−–"), min_size=1, max_size=12), max_size=30)


@st.composite
def tables(draw: st.DrawFn) -> Block:
    n = draw(st.integers(1, 6))
    heads = tuple(f"{draw(NAMES)}{i}" for i in range(n))
    rows = draw(st.lists(st.tuples(*([NAMES] * n)), max_size=4))
    leave = tuple(draw(st.lists(st.sampled_from(heads), unique=True)))
    return Block("", heads, tuple(rows), left=tuple(draw(st.sets(st.sampled_from(heads)))),
                 leave=leave)  # fmt: skip


@given(tables(), st.one_of(st.none(), st.integers(1, 120)))
def test_no_cell_is_broken_and_every_column_that_is_missing_is_said(
    block: Block, width: int | None
) -> None:
    lines = table(block, width)
    (rule,) = (i for i, line in enumerate(lines) if line and set(line) == {"─"})
    body = lines[rule + 1 : rule + 1 + len(block.rows)]
    assert len(body) == len(block.rows)  # one line a row
    said = " ".join(" ".join(lines[rule + 1 + len(block.rows) :]).split())
    left_out = said.partition(" columns: ")[2].rpartition("; a wider terminal")[0].split(", ")
    for i, head in enumerate(block.header):
        if " ".join(visible(head).split()) in left_out:
            assert width is not None and i > 0
            continue
        for line, row in zip(body, block.rows, strict=True):
            assert visible(row[i]).rstrip() in line
        for word in visible(head).split():
            assert any(word in line for line in lines[:rule])
    if width is None:
        assert not said
    else:
        first = max(cell_len(visible(row[0])) for row in (*block.rows, (block.header[0],)))
        assert all(cell_len(line) <= max(width, first) for line in body)


@given(WORDS, st.integers(1, 40))
def test_prose_breaks_between_words_alone(words: list[str], width: int) -> None:
    lines = prose(" ".join(words), width)
    assert [word for line in lines for word in line.split()] == words
    assert all(cell_len(line) <= width or len(line.split()) == 1 for line in lines)


BLOCK = Block(
    "Latency",
    ("preset", "p50 [95 %]", "no answer", "slowest of all"),
    (("cascade-embedded", "281 [273–288]", "0 %", "321"), ("日本語", "–", "12 %", "–")),
)


def test_a_table_of_a_hundred_columns_reads_like_this() -> None:
    assert table(BLOCK, 100) == [
        "preset               p50 [95 %]  no answer  slowest of all",
        "──────────────────────────────────────────────────────────",
        "cascade-embedded  281 [273–288]        0 %             321",
        "日本語                        –       12 %               –",
    ]


def test_heads_take_two_lines_where_there_is_no_room() -> None:
    assert table(BLOCK, 50) == [
        "                                     no  slowest",
        "preset               p50 [95 %]  answer   of all",
        "─" * 48,
        "cascade-embedded  281 [273–288]     0 %      321",
        "日本語                        –    12 %        –",
    ]


def test_without_a_width_heads_stand_on_one_line_where_the_cells_are_wide_already() -> None:
    wide = Block("", ("preset", "> 1 s"), (("x" * 120, "3"),))
    assert table(wide) == [f"{'preset':<120}  > 1 s", "─" * 127, f"{'x' * 120}      3"]


def test_what_does_not_fit_is_left_out_and_said() -> None:
    assert table(BLOCK, 42) == [
        "preset               p50 [95 %]  no answer",
        "──────────────────────────────────────────",
        "cascade-embedded  281 [273–288]        0 %",
        "日本語                        –       12 %",
        "Left out at 42 columns: slowest of all; a",
        "wider terminal, or a pipe, has it.",
    ]


def test_a_column_that_is_named_leaves_before_the_last_ones() -> None:
    named = Block(BLOCK.title, BLOCK.header, BLOCK.rows, leave=("p50 [95 %]",))
    lines = table(named, 34)
    assert lines[1].split() == ["preset", "answer", "of", "all"]
    assert " ".join(lines[5:]).startswith("Left out at 34 columns: p50 [95 %]; a wider")


def test_a_name_wider_than_the_terminal_stands_whole() -> None:
    lines = table(Block("", ("preset", "p50"), (("x" * 40, "1"),)), 20)
    assert "x" * 40 in lines[2]
    assert "Left out at 20" in lines[3]
    assert GAP == 2


@pytest.mark.parametrize("text", ["[stt]", "[bold]x[/bold]", "a [/] b", "\\[x]", "[link=y]"])
def test_square_brackets_stand_as_they_are(text: str) -> None:
    out = io.StringIO()
    screen = Screen(out, 60)
    screen.line(text)
    screen.say(text)
    screen.table(Block(text, (text, "n"), ((text, text),)))
    assert out.getvalue().count(text) == 6


def test_what_steers_a_terminal_is_shown_and_not_sent() -> None:
    out = io.StringIO()
    Screen(out, 60).say("a\x1b[2J\rb\nc")
    assert out.getvalue() == "a\\x1b[2J\\rb\\nc\n"


def test_the_width_is_that_of_columns_wherever_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "72")
    assert Screen(io.StringIO()).width == 72
    monkeypatch.setenv("COLUMNS", "wide")
    assert Screen(io.StringIO()).width is None
