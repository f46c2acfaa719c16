"""The help of every command: one style, whole lines at 80 columns, and an example that is right."""

import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from bench.cli.main import COMMANDS, app
from bench.cli.shell.examples import EXAMPLES

ROOT: Any = typer.main.get_command(app)


def leaves() -> Iterator[tuple[str, Any]]:
    """(words, command) of every command that has no sub-commands."""
    context = ROOT.make_context("duplex-lab", [], resilient_parsing=True)

    def walk(words: str, command: Any) -> Iterator[tuple[str, Any]]:
        below = getattr(command, "commands", None)
        if not below:
            yield words, command
        for name, one in (below or {}).items():
            yield from walk(f"{words} {name}", one)

    for name in COMMANDS:
        yield from walk(name, ROOT.get_command(context, name))


LEAVES = dict(leaves())


@pytest.fixture
def help_of(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The help of a command, at 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERMINAL_WIDTH", "80")
    return lambda words: CliRunner().invoke(app, [*words.split(), "--help"]).output


def test_each_command_has_an_example_and_each_example_its_command() -> None:
    assert set(EXAMPLES) == set(LEAVES), "add the new command to bench/cli/shell/examples.py"


@pytest.mark.parametrize("words", LEAVES)
def test_a_commands_help_ends_with_its_example_on_one_line_of_80_columns(
    words: str, help_of: Any
) -> None:
    lines = help_of(words).splitlines()
    assert lines[-2:] == ["  Example:", f"    {EXAMPLES[words]}"]
    assert [line for line in lines if len(line) > 80] == []
    assert "list[" not in "".join(lines)
    assert lines[0].startswith(f"Usage: duplex-lab {words} [OPTIONS]")


@pytest.mark.parametrize("words", EXAMPLES)
def test_an_example_is_taken_by_its_command(words: str) -> None:
    program, *rest = shlex.split(EXAMPLES[words].partition(" > ")[0])
    path = words.split()
    assert [program, *rest[: len(path)]] == ["duplex-lab", *path]
    context = LEAVES[words].make_context(words, rest[len(path) :])  # refuses what it does not know
    assert context.params


@pytest.mark.parametrize("group", ["runs", "models", "fixtures", "engines", "weights", "labs"])
def test_the_list_of_a_group_breaks_no_sentence(group: str, help_of: Any) -> None:
    text = help_of(group)
    assert "..." not in text.split("Commands:")[1]
    assert max(map(len, text.splitlines())) <= 80
