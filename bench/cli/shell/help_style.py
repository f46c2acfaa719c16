"""One style of help for every command: names in capitals, plain types, whole lines, an example."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from typer.core import TyperArgument, TyperGroup

from bench.cli.shell.examples import EXAMPLES

TYPES = {"str": "text", "int range": "int", "float range": "float", "Path": "path"}
"""Type as typer calls it → its word in help."""


class Group(TyperGroup):
    """A group of commands whose list has the first sentence of each, whole."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Writes the list."""
        with formatter.section("Commands"):
            rows = ((name, _sentence(self.get_command(ctx, name))) for name in self.commands)
            formatter.write_dl(list(rows))


def _sentence(command: Any) -> str:
    """The first sentence of a command's help, as a line of a list."""
    paragraph = " ".join(str(command.help or "").split("\n\n")[0].split())
    return paragraph.split(". ")[0].rstrip(".") + "."


def in_one_style(command: Any, path: str) -> Any:
    """Gives a command, and each of its sub-commands, the style of all.

    Args:
        command: The command.
        path: Its words, as of `EXAMPLES`.
    """
    for parameter in command.params:
        if isinstance(parameter, TyperArgument):
            parameter.metavar = parameter.metavar or str(parameter.name).upper()
            parameter.display_type_rich = _nothing  # type: ignore[method-assign]
        else:
            parameter.display_type = _plain(parameter.display_type)
        if isinstance(getattr(parameter, "show_default", None), str):
            parameter._get_default_string = _worded(parameter.show_default)
    if any(getattr(one, "rich_help_panel", None) for one in command.params):
        command.format_options = _in_sections(command)
    if path in EXAMPLES:
        command.epilog = f"\b\nExample:\n  {EXAMPLES[path]}"
    for name, one in getattr(command, "commands", {}).items():
        in_one_style(one, f"{path} {name}")
    return command


def _in_sections(command: Any) -> Callable[[Any, Any], None]:
    """Writes a command's options under the headings that they name, in their order."""

    def write(ctx: Any, formatter: Any) -> None:
        found: dict[str, list[tuple[str, str]]] = {}
        for one in command.get_params(ctx):
            is_argument = one.param_type_name == "argument"
            plain = "Arguments" if is_argument else "Options"
            if (record := one.get_help_record(ctx)) is not None:
                found.setdefault(getattr(one, "rich_help_panel", None) or plain, []).append(record)
        for heading, rows in found.items():
            with formatter.section(heading):
                formatter.write_dl(rows)

    return write


def _nothing(ctx: Any) -> str | None:
    """An argument's name says what it is."""
    return None


def _plain(display_type: Callable[[Any], str]) -> Callable[[Any], str]:
    """Makes ``<list[str]>`` read ``<text>``."""

    def plain(ctx: Any) -> str:
        word = display_type(ctx).strip("<>")
        if word.startswith("list["):
            word = word.removeprefix("list[").removesuffix("]")
        return f"<{TYPES.get(word, word)}>"

    return plain


def _worded(default: str) -> Callable[..., str]:
    """Shows a default that is told in words without typer's parentheses."""
    return lambda **_: default
