"""TOML that a user wrote: whatever is wrong is one error with one sentence."""

import pytest

from pipelines.toml_text import DEEPEST, TomlError, read_toml


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a = ", "Invalid value (at end of document)"),
        ("a = " + "[" * 100_000, "nested too deeply"),
        ("a = " + "{a = " * 100_000, "nested too deeply"),
        ("a = " + "[" * 30 + "]" * 30, "nested too deeply"),
        (".".join("a" * 2_000) + " = 1", "nested too deeply"),
        ("a = {é = 1}".encode("utf-16"), "not UTF-8: invalid start byte at byte 0"),
        ("a = 'é'".encode("latin-1"), "not UTF-8: invalid continuation byte at byte 5"),
        ("a = " + "9" * 5_000, "Exceeds the limit (4300 digits) for integer string conversion"),
    ],
)
def test_whatever_is_wrong_with_a_text_is_one_line(text: str | bytes, reason: str) -> None:
    with pytest.raises(TomlError) as error:
        read_toml(text)
    assert str(error.value).startswith(reason)
    assert "\n" not in str(error.value)


def test_a_byte_order_mark_is_left_out() -> None:
    assert read_toml(b"\xef\xbb\xbfa = 1") == {"a": 1}


def test_tables_may_be_as_deep_as_any_file_needs() -> None:
    assert read_toml(".".join("a" * DEEPEST) + " = 1")
    with pytest.raises(TomlError):
        read_toml(".".join("a" * (DEEPEST + 1)) + " = 1")
