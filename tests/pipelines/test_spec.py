from dataclasses import dataclass
from typing import Literal

import pytest

from pipelines.errors import SpecError
from pipelines.spec import load_spec, preset_names, read_options


@dataclass(frozen=True, slots=True)
class Options:
    needed: str
    count: int = 1
    ratio: float = 0.5
    on: bool = True
    mode: Literal["a", "b"] = "a"
    maybe: int | None = None
    some: tuple[float, ...] = ()


def test_a_table_becomes_options_with_its_defaults():
    options = read_options(Options, {"needed": "x", "ratio": 2, "some": [1, 2.5]}, "f.toml [o]")
    assert options == Options("x", ratio=2, some=(1, 2.5))


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ({}, "'needed' is missing"),
        ({"needed": 3}, "needed = 3 must be a text"),
        ({"needed": "x", "count": 1.5}, "count = 1.5 must be a whole number"),
        ({"needed": "x", "count": True}, "count = True must be a whole number"),
        ({"needed": "x", "on": 1}, "on = 1 must be true or false"),
        ({"needed": "x", "mode": "c"}, "mode = 'c' must be one of 'a', 'b'"),
        ({"needed": "x", "some": ["y"]}, "some = .* must be a list of a number"),
        ({"needed": "x", "coutn": 1}, r"unknown key 'coutn' \(did you mean 'count'\?\)"),
        ("text", "a table is needed"),
    ],
)
def test_a_wrong_table_is_reported_by_key_and_value(table, sentence):
    with pytest.raises(SpecError, match=rf"^f\.toml \[o\]: .*{sentence}"):
        read_options(Options, table, "f.toml [o]")


def test_every_shipped_preset_loads():
    names = preset_names()
    assert {"cascade-scripted", "cascade-embedded", "cascade-stock"} <= set(names)
    for name in names:
        assert load_spec(name).name == name


def test_only_scripted_presets_see_labels():
    seers = {name for name in preset_names() if load_spec(name).sees_labels}
    assert {load_spec(name).kind for name in seers} == {"scripted"}


def test_an_unknown_preset_names_the_nearest_and_the_known():
    with pytest.raises(SpecError, match=r"did you mean 'cascade-stock'\?.*known: "):
        load_spec("cascade-stok")


PRESET = """
title = "t"
architecture = "scripted"
kind = "scripted"
weights = "scripted"
"""


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("title = ", "mine.toml: not valid TOML"),
        (PRESET.replace('"scripted"', '"nonsense"', 1), "architecture = 'nonsense' is unknown"),
        (PRESET + "[scirpt]\nllm_ttft_ms = 1", r"unknown table \[scirpt\] \(did you mean 'script"),
        (PRESET + "[script]\nllm_ttft = 1", r"\[script\]: unknown key 'llm_ttft'"),
        (PRESET + "[script]\nllm_ttft_ms = 'x'", r"llm_ttft_ms = 'x' must be a number"),
        (PRESET + "[script]\nllm_ttft_ms = -1", r"\[script\]: delays must be >= 0"),
        (PRESET + "[audio]\nout_rate = 1", r"\[audio\]: unknown key 'out_rate'"),
        (PRESET + "[audio]\npreroll_ms = -1", r"\[audio\]: preroll_ms lies between"),
        (PRESET + "[audio]\nstretch = true", r"\[audio\]: stretch is for presets of kind 'duplex'"),
        (PRESET.replace('weights = "scripted"', ""), "'weights' is missing"),
        (
            PRESET.replace('kind = "scripted"', 'kind = "cascade"') + "sees_labels = true",
            "sees_labels is for scripted presets only",
        ),
    ],
)
def test_a_wrong_preset_file_is_reported_in_one_sentence(tmp_path, text, sentence):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(SpecError, match=sentence) as raised:
        load_spec(str(path))
    assert "\n" not in str(raised.value)
