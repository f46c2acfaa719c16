"""The cache folder: what lies in it, how large, and what can be removed."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bench.cli.main import app
from pipelines.cache import VARIABLE
from pipelines.process.environment import ENVIRONMENTS


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with an environment of today and an old one, weights, a model and a stranger."""
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.delenv("DUPLEX_LAB_MODELS", raising=False)
    today = ENVIRONMENTS["piper"].folder.name
    for name, size in (
        (f"environments/{today}/bin/python", 3000),
        ("environments/piper-0123456789ab/bin/python", 2000),
        ("weights/tiny-seed0-v3/lm.bin", 5000),
        ("models/a@b/file", 700),
        ("mine/file", 10),
        ("weights/.tiny-seed0-v3.lock", 0),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(bytes(size))
    return tmp_path


def typed(*words: str) -> Result:
    return CliRunner().invoke(app, ["cache", *words], env={"COLUMNS": "100"})


def test_all_that_lies_there_is_listed_the_largest_first(cache: Path) -> None:
    rows = json.loads(typed("list", "--format", "json").stdout)
    today = ENVIRONMENTS["piper"].folder.name
    assert [(row["name"], row["bytes"], row["used"]) for row in rows] == [
        ("weights/tiny-seed0-v3", 5000, None),
        (f"environments/{today}", 3000, True),
        ("environments/piper-0123456789ab", 2000, False),
        ("models", 700, None),
        ("mine", 10, None),
    ]
    told = typed().stdout
    assert f"11 kB in {cache}" in told
    assert "mine: not of duplex-lab" in told


def test_what_is_named_is_removed_and_nothing_else(cache: Path) -> None:
    done = typed("remove", "environments/piper-0123456789ab")
    assert "nothing was removed; say --yes" in str(done.exception)
    assert (cache / "environments/piper-0123456789ab").is_dir()
    done = typed("remove", "environments/piper-0123456789ab", "--yes")
    assert done.stdout.endswith("1 removed, 2 kB freed.\n")
    assert typed("remove", "weights", "--yes").exit_code == 0
    rows = json.loads(typed("--format", "json").stdout)
    assert [row["bytes"] for row in rows] == [3000, 700, 10]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("models", "models are removed by duplex-lab models remove"),
        ("mine", "what is not of duplex-lab stays"),
        ("environments/none", "there is no such thing"),
        ("environments/../mine", "there is no such thing"),
    ],
)
def test_what_is_not_its_own_stays(cache: Path, name: str, why: str) -> None:
    done = typed("remove", name, "--yes")
    assert done.exit_code != 0
    assert why in str(done.exception)
    assert (cache / "mine" / "file").is_file()


def test_an_empty_cache_is_an_empty_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nothing"))
    assert json.loads(typed("--format", "json").stdout) == []
