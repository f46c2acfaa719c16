"""Every list comes in every format, from one helper."""

import csv
import io
import json

import pytest
import typer
from typer.testing import CliRunner

from bench.cli.inventory.engines import weights_app
from bench.cli.inventory.fixtures import app as fixtures_app
from bench.cli.main import app

LISTS = (
    ("show",), ("compare",), ("history",), ("presets", "list"), ("models", "list"),
    ("models", "status"), ("fixtures", "list"), ("engines", "list"), ("weights", "list"),
)  # fmt: skip


@pytest.mark.parametrize("words", LISTS, ids=" ".join)
def test_every_list_takes_a_format(words: tuple[str, ...]) -> None:
    command = typer.main.get_command(app)
    for word in words:
        found = command.get_command(typer.Context(command), word)  # type: ignore[attr-defined]
        assert found is not None
        command = found
    (option,) = [one for one in command.params if "--format" in one.opts]
    assert str(option.default) == "table"


@pytest.mark.parametrize(
    ("lists", "words", "key"),
    [(fixtures_app, ("list", "quick"), "name"), (weights_app, ("list",), "size")],
    ids=["fixtures", "weights"],
)
def test_all_formats_hold_the_same_items(
    lists: typer.Typer, words: tuple[str, ...], key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    def printed(form: str) -> str:
        done = CliRunner().invoke(lists, [*words, "--format", form], catch_exceptions=False)
        assert done.exit_code == 0
        return done.stdout

    names = [row[key] for row in json.loads(printed("json"))]
    assert len(names) > 4
    assert [row[key] for row in csv.DictReader(io.StringIO(printed("csv")))] == names
    markdown = printed("md").splitlines()[2:]
    assert [line.split(" | ")[0].removeprefix("| ") for line in markdown] == names
    table = printed("table").splitlines()
    assert [line.split()[0] for line in table[2 : 2 + len(names)]] == names  # one line an item
    assert max(map(len, table)) <= 80
