"""Every list comes in every format, from one helper."""

import csv
import io
import json

import pytest
import typer
from typer.testing import CliRunner

from bench.cli.inventory.engines import weights_app
from bench.cli.inventory.fixtures import app as fixtures_app
from bench.cli.main import PLAIN_LISTS, app
from pipelines.errors import LabError

LISTS = (
    ("show",), ("compare",), ("history",), ("presets", "list"), ("models", "list"),
    ("models", "status"), ("fixtures", "list"), ("engines", "list"), ("weights", "list"),
    ("networks",), ("causes",), ("lines",), ("doctor",), ("runs", "list"), ("cache", "list"),
    ("labs", "list"), ("memory", "list"), ("capacity",), ("sweep",), ("whatif",), ("endpointing",),
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


@pytest.mark.parametrize("command", PLAIN_LISTS)
def test_list_after_a_command_that_only_lists_says_the_same(command: str) -> None:
    with_word, without = (
        CliRunner().invoke(app, [command, *words, "--format", "csv"]) for words in (["list"], [])
    )
    assert with_word.exit_code == 0
    assert with_word.stdout == without.stdout
    assert with_word.stdout.count("\n") > 5


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
    rows, _, _ = printed("md").partition("\n\n")  # below it stand sentences
    markdown = rows.splitlines()[2:]
    assert [line.split(" | ")[0].removeprefix("| ") for line in markdown] == names
    table = printed("table").splitlines()
    assert [line.split()[0] for line in table[2 : 2 + len(names)]] == names  # one line an item
    assert max(map(len, table)) <= 80


def test_a_network_is_shown_with_the_source_of_its_numbers() -> None:
    done = CliRunner().invoke(app, ["networks", "lte"])
    assert done.exit_code == 0
    assert "45 ± 15 ms, 0.2 % lost" in done.stdout
    assert "Source: Loadero's table of network conditions" in done.stdout
    wrong = CliRunner().invoke(app, ["networks", "lt"])
    assert str(wrong.exception).startswith("There is no network 'lt' (did you mean 'lte'?); known:")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ws://h:7860/ws-client", "by its path it may be --line pipecat;"),
        ("ws://h:7860/ws", "by its path it may be --line twilio (or pipecat);"),
        ("wss://api.openai.com/v1/realtime?model=x", "it may be --line openai-realtime;"),
        ("ws://h/api/chat", "by its path it may be --line moshi;"),
        ("ws://h/talk", "raw PCM is --line pcm-websocket;"),
    ],
)
def test_an_address_without_its_protocol_names_the_one_that_it_looks_like(
    url: str, said: str
) -> None:
    done = CliRunner().invoke(app, ["run", "--agent", url])
    assert isinstance(done.exception, LabError)
    assert f"--agent {url}: name the protocol that it speaks: " in str(done.exception)
    assert said in str(done.exception)
