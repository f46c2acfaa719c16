"""A preset that is shown is a file that runs as it stands."""

import dataclasses
import sys

import pytest

from bench.cli import main as cli
from bench.cli.inventory.preset_text import preset_text
from pipelines.spec import load_spec, parse_spec, preset_names


@pytest.mark.parametrize("name", preset_names())
def test_every_shipped_preset_comes_back_from_its_text(name):
    spec = load_spec(name)
    again = parse_spec(name, preset_text(spec))
    assert dataclasses.replace(again, toml=spec.toml) == spec


def test_a_text_with_quotes_and_line_ends_comes_back():
    text = 'title = "t"\narchitecture = "scripted"\nkind = "scripted"\nweights = "scripted"\n'
    odd = 'say "a\\\\b", then\ttab\nand [stt] \x7f é'
    spec = dataclasses.replace(parse_spec("x", text), description=odd)
    assert parse_spec("x", preset_text(spec)).description == odd


def shown(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["duplex-lab", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
        raise SystemExit(0)
    assert not ended.value.code
    return capsys.readouterr().out


def test_what_is_printed_is_the_file_whatever_the_width(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    out = shown(monkeypatch, capsys, "presets", "show", "cascade-embedded")
    spec = load_spec("cascade-embedded")
    assert dataclasses.replace(parse_spec(spec.name, out), toml=spec.toml) == spec


def test_the_version_is_the_packages(monkeypatch, capsys):
    from importlib.metadata import version

    assert shown(monkeypatch, capsys, "--version") == f"duplex-lab {version('duplex-lab')}\n"
