"""The table of lines finds every module that ends in a row, and each has its fake peer."""

from importlib.util import find_spec

import pytest

from bench.lines import table
from bench.lines.line import LOCAL, LineChoice, LineError
from bench.lines.local import LocalLine


def test_the_lines_are_found_by_their_rows():
    assert {"local", "pcm-websocket"} <= set(table.rows())
    assert isinstance(table.make(LOCAL), LocalLine)


@pytest.mark.parametrize("row", table.rows().values(), ids=lambda row: row.name)
def test_each_line_has_a_fake_peer_beside_it(row):
    module = row.name.replace("-", "_")
    assert find_spec(f"bench.lines.{module}")
    assert find_spec(f"bench.lines.fakes.{module}")


def test_an_unknown_line_names_the_known_ones():
    with pytest.raises(LineError, match=r"no line 'pigeon'; known: .*local.*pcm-websocket"):
        table.make(LineChoice("pigeon"))
