"""Texts of others: what UTF-8 can't hold, what is nested too deeply, names unfit for files."""

import json
import tomllib

import pytest

from pipelines.errors import SpecError
from pipelines.guards.texts import fit_name, parse_json, parse_toml, toml_string, whole
from pipelines.spec import load_spec, with_folder

DEEP = 100_000


def test_half_a_surrogate_pair_becomes_the_replacement_and_a_pair_becomes_its_character():
    assert whole("as it was, é 😀") == "as it was, é 😀"
    assert whole("a\ud800b\udfffc") == "a�b�c"
    assert whole("\ud83d\ude00") == "😀"


def test_json_that_is_nested_too_deeply_is_a_value_error():
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json("[" * DEEP)
    with pytest.raises(ValueError, match="can't decode"):
        parse_json(b'"\xff"')
    assert parse_json('{"a\\uD800": ["\\ud83d\\ude00", "\\udc00"]}') == {"a�": ["😀", "�"]}


def test_toml_that_is_nested_too_deeply_or_wrongly_encoded_is_no_toml():
    for text, told in (
        ("a = " + "[" * DEEP, "nested too deeply"),
        (b'a = "\xff"', "not in UTF-8"),
        ("a = " + "1" * 5000, "digits"),
        ("a = ", "Invalid value"),
    ):
        with pytest.raises(tomllib.TOMLDecodeError, match=told):
            parse_toml(text)
    assert parse_toml('a = "é"'.encode()) == {"a": "é"}


@pytest.mark.parametrize("text", ["plain", 'a "quote" \\ ', "😀 é", "\x1b\x7f\n\t\x00"])
def test_any_text_comes_back_from_toml_as_it_was(text):
    assert parse_toml(f"a = {toml_string(text)}") == {"a": text}


@pytest.mark.parametrize(
    ("name", "fit"),
    [
        ("cascade-stock", "cascade-stock"),
        ("my bot (2)", "my_bot_2"),
        ("-rf", "rf"),
        ("..", "preset-"),
        ("a/b\x1b[31m", "a_b_31m"),
        ("café", "cafe"),
        ("日本", "preset-"),
        ("\udcff", "preset-"),
        ("x" * 300, "x" * 80),
    ],
)
def test_a_name_is_made_fit_for_files(name, fit):
    found = fit_name(name)
    assert found.startswith(fit)
    assert found == fit or fit == "preset-"
    assert fit_name(found) == found


def test_a_preset_whose_file_has_an_odd_name_is_called_by_a_fit_one(tmp_path):
    text = 'title = "t"\narchitecture = "scripted"\nkind = "scripted"\nweights = "scripted"\n'
    (tmp_path / "my preset #1.toml").write_text(text, encoding="utf-8")
    assert load_spec(str(tmp_path / "my preset #1.toml")).name == "my_preset_1"


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (("bot = " + "[" * DEEP).encode(), "not valid TOML: its values are nested too deeply"),
        ("title = 'é'".encode("latin-1"), "is no text in UTF-8"),
        ("title = 'é'".encode("utf-16"), "is no text in UTF-8"),
    ],
)
def test_a_preset_that_is_no_toml_is_one_sentence(tmp_path, data, told):
    (tmp_path / "mine.toml").write_bytes(data)
    with pytest.raises(SpecError, match=told):
        load_spec(str(tmp_path / "mine.toml"))


def test_a_bots_folder_may_have_any_name_that_is_text(tmp_path):
    folder = tmp_path / 'é 😀 "x"'
    assert parse_toml(with_folder('bot = "b.py"', folder))["bot_folder"] == str(folder)
    with pytest.raises(SpecError, match="the folder's name is not UTF-8: rename it"):
        with_folder('bot = "b.py"', tmp_path / "\udcff")


def test_what_json_writes_of_a_lone_surrogate_is_read_as_text_that_can_be_written():
    assert parse_json(json.dumps({"student": "\ud800"})) == {"student": "\ufffd"}
