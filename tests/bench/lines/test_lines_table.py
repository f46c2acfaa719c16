"""The table of lines finds every module that ends in a row, and each has its fake peer."""

from dataclasses import fields
from importlib.util import find_spec

import pytest

from bench.lines import table
from bench.lines.line import LOCAL, LineChoice, LineError
from bench.lines.local import LocalLine


def test_the_lines_are_found_by_their_rows():
    assert {"local", "pcm-websocket"} <= set(table.rows())
    assert isinstance(table.make(LOCAL), LocalLine)


SPOKEN = [row for row in table.rows().values() if not row.refusal]


@pytest.mark.parametrize("row", SPOKEN, ids=lambda row: row.name)
def test_each_line_has_a_fake_peer_beside_it(row):
    module = row.name.replace("-", "_")
    assert find_spec(f"bench.lines.{module}")
    assert find_spec(f"bench.lines.fakes.{module}")


def test_an_unknown_line_names_the_known_ones():
    with pytest.raises(LineError, match=r"no line 'pigeon'; known: .*local.*pcm-websocket"):
        table.make(LineChoice("pigeon"))


@pytest.mark.parametrize("name", ["livekit", "daily", "sip"])
def test_a_line_that_cannot_be_spoken_says_why_and_what_to_do_instead(name):
    with pytest.raises(LineError, match=rf"the line {name} can't be spoken: .*\(--line \w+\)"):
        table.make(LineChoice(name, "wss://x/"))


DIALLED = [row for row in SPOKEN if row.connects == "caller"]


@pytest.mark.parametrize("row", DIALLED, ids=lambda row: row.name)
def test_the_options_and_headers_of_a_line_are_arguments_of_its_codec(row):
    values = {part.name: getattr(row.options(), part.name) for part in fields(row.options)}
    scheme = "http" if row.helper else "ws"
    line = row.make(f"{scheme}://127.0.0.1:9/talk", headers={"X-Mine": "y"}, **values)
    sent = b'"X-Mine": "y"' if row.helper else b"X-Mine: y\r\n"
    assert sent in line.hello()
