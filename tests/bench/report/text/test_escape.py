"""What a model may not do to a terminal."""

import pytest

from bench.report.text.escape import visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("I put it – “there” 積み木.", "I put it – “there” 積み木."),
        ("one\ntwo\r\tthree", r"one\ntwo\r\tthree"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("left\u202eright\u2028", r"left\u202eright\u2028"),
        (r"C:\new", r"C:\new"),
    ],
)
def test_what_can_not_be_printed_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown
