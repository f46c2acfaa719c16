"""``duplex-lab``: the command line. Each sub-command is a row of `COMMANDS`, imported on demand."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from bench.cli.shell.help_style import Group, in_one_style
from bench.cli.shell.names import complete_names
from bench.cli.shell.plain_values import take_plainly
from bench.report.text.escape import visible
from pipelines.errors import LabError
from pipelines.secrets import redact


@dataclass(frozen=True, slots=True)
class Row:
    """A sub-command in the table."""

    target: str
    """``module:name`` of a function, or of a Typer app with sub-commands of its own."""
    line: str
    """Its line in the list of commands, whole at 80 columns."""


SECTIONS: dict[str, dict[str, Row]] = {
    "Measure": {
        "run": Row("bench.cli.run:run", "Play presets on fixtures in real time, and measure."),
        "face": Row("bench.cli.live.talk:face", "Start a preset with its face in the browser."),
        "talk": Row("bench.cli.live.talk:talk", "Talk to a preset, by a page or --local."),
        "serve": Row("bench.cli.live.serve:serve", "Serve presets to voice clients."),
        "memory": Row(
            "bench.cli.live.memory:app", "What a server remembers: list, export, keep, forget."
        ),
        "sweep": Row("bench.cli.playing.sweep:sweep", "Play a grid of runs, here or on a cluster."),
        "cases": Row("bench.cli.cases:cases", "Play 100 named conversations through the server."),
        "calibrate": Row(
            "bench.cli.calibrate:calibrate", "Measure the ruler's own error by clicks."
        ),
        "capacity": Row(
            "bench.cli.load.capacity:capacity", "Find how many calls at once an agent bears."
        ),
        "service": Row(
            "bench.cli.frame_times:measure", "Measure a duplex model's frames, all fed at once."
        ),
        "endpointing": Row(
            "bench.cli.turns.endpointing:endpointing",
            "Tell ends of turns from pauses, by any method.",
        ),
        "algorithmic-latency": Row(
            "bench.cli.algorithmic_latency:algorithmic_latency",
            "Measure how soon a duplex model could answer.",
        ),
    },
    "Read a run": {
        "show": Row("bench.cli.results:show", "Print a run's table and its trials, or one trial."),
        "report": Row("bench.cli.report:report", "Write a run's report: one page, with audio."),
        "view": Row("bench.cli.view:view", "Serve all runs to a browser on this machine."),
        "compare": Row("bench.cli.compare:compare_command", "Say what is faster, and check gates."),
        "whatif": Row(
            "bench.cli.predicting.whatif:whatif", "Predict answers if a stage took another time."
        ),
        "metrics": Row("bench.cli.results:metrics", "Compute a run's metrics again."),
        "replay": Row("bench.cli.replay:replay", "Play a run again behind a jitter buffer."),
        "listen": Row(
            "bench.cli.listen:listen_command", "Have a recogniser listen to every answer."
        ),
        "score": Row("bench.cli.score:score_command", "Score recorded calls as an ordinary run."),
        "history": Row("bench.cli.history:history", "Print a metric's median in every run."),
        "export-traces": Row(
            "bench.cli.traces:export_traces", "Send a run's turns to an OpenTelemetry collector."
        ),
    },
    "See what is here": {
        "runs": Row("bench.cli.inventory.runs:app", "The runs: list, note, remove, prune, pack."),
        "doctor": Row("bench.cli.inventory.doctor:doctor", "Look at this machine."),
        "causes": Row("bench.cli.inventory.causes:causes", "The known causes of slow answers."),
        "presets": Row("bench.cli.inventory.presets:app", "The pipelines that can be measured."),
        "fixtures": Row(
            "bench.cli.inventory.fixtures:app", "The user audio that agents are measured on."
        ),
        "lines": Row("bench.cli.inventory.lines:lines", "How caller and agent are connected."),
        "networks": Row(
            "bench.cli.inventory.networks:networks", "Named networks that a run can simulate."
        ),
        "models": Row(
            "bench.cli.inventory.models:app", "Model files: list, fetch, verify, and remove."
        ),
        "cache": Row("bench.cli.inventory.cache:app", "What the cache folder holds, how large."),
        "engines": Row("bench.cli.inventory.engines:engines", "Engines and their environments."),
        "weights": Row(
            "bench.cli.inventory.engines:weights_app", "Synthetic weights of duplex models."
        ),
    },
    "Learn": {
        "labs": Row("labs.cli.main:app", "The coursework: labs, their checks, and the grader."),
    },
}
"""Heading in the list of commands → its commands, by name."""

COMMANDS: dict[str, Row] = {name: row for of in SECTIONS.values() for name, row in of.items()}
"""Sub-command → its row."""

RENAMED: dict[str, str] = {"floor": "algorithmic-latency"}
"""Old name of a sub-command → its name now; the old one still works, and is not listed."""

OLD: dict[str, str] = {"list": "bench.cli.inventory.presets:list_app"}
"""Sub-command that still works and is not listed → its ``module:name``."""

PLAIN_LISTS = ("causes", "lines", "networks")
"""Sub-commands that list by themselves: 'list' after one says the same, as it does after others."""

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


class LazyGroup(TyperGroup):
    """Imports a sub-command only when it is named: the list of commands is the table's."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The options that stand before a sub-command."""
        take_plainly(self, ctx)
        return super().get_params(ctx)

    def list_commands(self, ctx: Any) -> list[str]:
        """All sub-commands, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Imports one sub-command, by its name or an old one."""
        if cmd_name in RENAMED:
            typer.echo(f"duplex-lab: {cmd_name} is called {RENAMED[cmd_name]} now.", err=True)
            cmd_name = RENAMED[cmd_name]
        row = COMMANDS.get(cmd_name)
        target = OLD.get(cmd_name) if row is None else row.target
        if target is None:
            return None
        module, _, name = target.partition(":")
        found: Any = getattr(importlib.import_module(module), name)
        if not isinstance(found, typer.Typer):
            single = typer.Typer(add_completion=False, rich_markup_mode=None)
            single.command(cmd_name)(found)
            found = single
        else:
            found.info.cls = Group
        found.rich_markup_mode = None  # one style of help for all
        command = typer.main.get_command(found)
        command.name = cmd_name
        return in_one_style(complete_names(take_plainly(command, ctx)), cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Finds the sub-command that is named; of an unknown one it says which name is near."""
        if args and args[0] not in {**COMMANDS, **RENAMED, **OLD}:
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "see duplex-lab --help"
            raise LabError(f"there is no command {args[0]!r}; {hint}")
        if args and args[0] in PLAIN_LISTS and args[1:2] == ["list"]:
            args = [args[0], *args[2:]]
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Writes the table, section by section, and imports none of the commands."""
        width = max(map(len, COMMANDS))
        for heading, rows in SECTIONS.items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), row.line) for name, row in rows.items()])


app = typer.Typer(
    cls=LazyGroup,
    name="duplex-lab",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"duplex-lab {version('duplex-lab')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """How long does a voice agent take to answer, where do the milliseconds go, how sure is that?

    Start with: duplex-lab run, and then: duplex-lab report
    """


@contextlib.contextmanager
def ended_like_ctrl_c() -> Iterator[None]:
    """Within the block SIGTERM and SIGHUP do what Ctrl-C does: what was done is kept.

    A signal that is ignored (``nohup``) stays ignored.
    """
    taken = [s for s in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(s) is signal.SIG_DFL]
    for signum in taken:
        signal.signal(signum, _interrupt)
    try:
        yield
    finally:
        for signum in taken:
            signal.signal(signum, signal.SIG_DFL)


def _interrupt(signum: int, _frame: object) -> None:
    if signum == signal.SIGHUP:  # the terminal is gone: what would be printed there goes nowhere
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            if os.isatty(stream):
                os.dup2(nowhere, stream)
    raise KeyboardInterrupt


def main() -> None:
    """The console script: an expected error is one sentence on stderr, never a traceback."""
    try:
        with ended_like_ctrl_c():
            app()
    except LabError as error:
        # A bot's text may be in it, and in that a key, or what steers a terminal.
        said = "\n".join(visible(line) for line in redact(str(error)).splitlines())
        typer.echo(f"duplex-lab: {said}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        typer.echo("duplex-lab: interrupted.", err=True)
        sys.exit(EXIT_INTERRUPTED)


if __name__ == "__main__":
    main()
