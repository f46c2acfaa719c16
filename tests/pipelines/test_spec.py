import typing
from dataclasses import dataclass
from typing import Literal

import pytest

from pipelines.duplex.scripted.options import ScriptOptions as DuplexScript
from pipelines.errors import SpecError
from pipelines.guards.ranges import Range
from pipelines.registry import ARCHITECTURES, stage_options
from pipelines.spec import AudioOptions, load_spec, parse_spec, preset_names, read_options


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
        ({"needed": "x", "count": True}, "count = true must be a whole number"),
        ({"needed": "x", "on": 1}, "on = 1 must be true or false"),
        ({"needed": "x", "mode": "c"}, "mode = 'c' must be one of 'a', 'b'"),
        ({"needed": "x", "some": ["y"]}, "some = .* must be a list of numbers"),
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
        (PRESET + "[script]\nllm_ttft_ms = -1", r"llm_ttft_ms = -1 must be from 0 to 60000 ms\."),
        (PRESET + "[audio]\nout_rate = 1", r"\[audio\]: unknown key 'out_rate'"),
        (PRESET + "[audio]\npreroll_ms = -1", r"preroll_ms = -1 must be from 0 to 10000 ms\."),
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


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("in_rate_hz = 0", "in_rate_hz = 0 must be from 8000 to 48000 Hz."),
        ("out_rate_hz = 192000", "out_rate_hz = 192000 must be from 8000 to 48000 Hz."),
        ("out_10ms_chunks = 0", "out_10ms_chunks = 0 must be from 1 to 100 pieces of 10 ms."),
        ("device_buffer_ms = -40", "device_buffer_ms = -40 must be from 0 to 2000 ms."),
        ("preroll_ms = 99999999999999999999", "must be from 0 to 10000 ms."),
    ],
)
def test_a_rate_or_a_buffer_out_of_range_is_refused_before_anything_is_loaded(line, told):
    with pytest.raises(SpecError) as error:
        parse_spec("mine", f"{PRESET}[audio]\n{line}\n")
    assert str(error.value).startswith(f"mine.toml [audio]: {line.partition(' ')[0]}")
    assert str(error.value).endswith(told)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e400"])
def test_a_number_that_is_not_finite_is_refused_everywhere(value):
    with pytest.raises(SpecError, match=r"stt_ms = .* must be from 0 to 60000 ms\."):
        parse_spec("mine", f"{PRESET}[script]\nstt_ms = {value}\n")
    hosted = PRESET.replace('"scripted"', '"hosted"', 1).replace('"scripted"', '"cascade"', 1)
    with pytest.raises(SpecError, match=r"settings = (nan|-?inf) must be finite\."):
        parse_spec("mine", f"{hosted}[llm.settings]\nnested = [{value}]\n")


def test_a_list_is_checked_number_by_number():
    with pytest.raises(SpecError, match=r"service_list_ms = -2\.0 must be from 0 to 60000 ms\."):
        read_options(DuplexScript, {"service_list_ms": [1, -2.0]}, "mine [script]")


def test_every_number_of_a_preset_has_a_range():
    rows: list[tuple[str, type]] = [("audio", AudioOptions)]
    for name in ARCHITECTURES:
        rows += stage_options(name).items()
    bare = [
        f"{stage}.{field}"
        for stage, cls in rows
        for field, kind in typing.get_type_hints(cls, include_extras=True).items()
        if kind in (int, float) or typing.get_args(kind)[:1] in ((int,), (float,))
        if not any(isinstance(m, Range) for m in getattr(kind, "__metadata__", ()))
    ]
    assert bare == []
