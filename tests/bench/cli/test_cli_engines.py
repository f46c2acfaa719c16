"""``duplex-lab engines`` and ``duplex-lab weights``."""

import pytest
from typer.testing import CliRunner

from bench.cli.inventory import engines as cli_engines
from pipelines.errors import LabError
from pipelines.process import environment
from pipelines.weights.sizes import SIZES


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DUPLEX_LAB_CACHE", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("DUPLEX_LAB_MOSHI_MLX_PYTHON", raising=False)
    return tmp_path


def lines(app, *arguments):
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    return done.output.splitlines()


def row(name, found):
    return next(line for line in found if line.strip().startswith(name))


def test_engines_are_listed_with_what_they_take(cache, monkeypatch):
    found = lines(cli_engines.engines, "list")
    for name in environment.ENVIRONMENTS:
        assert " no " in row(name, found)
    assert "0.5 GB" in row("moshi-mlx", found)
    python = environment.get("moshi-mlx").python
    python.parent.mkdir(parents=True)
    python.write_bytes(bytes(3_000_000))
    assert row("moshi-mlx", lines(cli_engines.engines, "list")).split()[1:4] == ["yes", "3", "MB"]
    monkeypatch.setenv("DUPLEX_LAB_MOSHI_MLX_PYTHON", "/some/python")
    assert "your own" in row("moshi-mlx", lines(cli_engines.engines, "list"))


def test_an_unknown_engine_is_a_sentence(cache):
    with pytest.raises(LabError, match="moshi-mlx, moshi-torch"):
        lines(cli_engines.engines, "build", "nothing")


def test_building_looks_at_what_is_there(cache, monkeypatch):
    asked = []
    monkeypatch.setattr(environment, "ensure", lambda name, _, verify: asked.append((name, verify)))
    lines(cli_engines.engines, "build", "moshi-mlx")
    assert asked == [("moshi-mlx", True)]


def test_weights_are_listed_with_what_is_made(cache):
    found = lines(cli_engines.weights_app, "list")
    assert [line.split()[0] for line in found[2 : 2 + len(SIZES)]] == list(SIZES)
    assert "none" in row("7b", found)
    assert "q4 (4.8 GB)" in row("7b", found)


def test_an_unknown_size_is_a_sentence(cache):
    with pytest.raises(LabError, match="tiny, 100m"):
        lines(cli_engines.weights_app, "make", "3b")
