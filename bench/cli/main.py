"""``duplex-lab``: the command line. Each sub-command is a row of `COMMANDS`, imported on demand."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

from bench.report.text.escape import visible
from pipelines.errors import LabError
from pipelines.secrets import redact

COMMANDS: dict[str, str] = {
    "run": "bench.cli.run:run",
    "show": "bench.cli.results:show",
    "metrics": "bench.cli.results:metrics",
    "compare": "bench.cli.compare:compare_command",
    "report": "bench.cli.report:report",
    "view": "bench.cli.view:view",
    "face": "bench.cli.talk:face",
    "talk": "bench.cli.talk:talk",
    "calibrate": "bench.cli.calibrate:calibrate",
    "algorithmic-latency": "bench.cli.algorithmic_latency:algorithmic_latency",
    "service": "bench.cli.frame_times:measure",
    "replay": "bench.cli.replay:replay",
    "score": "bench.cli.score:score_command",
    "listen": "bench.cli.listen:listen_command",
    "history": "bench.cli.history:history",
    "export-traces": "bench.cli.traces:export_traces",
    "causes": "bench.cli.inventory.causes:causes",
    "doctor": "bench.cli.inventory.doctor:doctor",
    "engines": "bench.cli.inventory.engines:engines",
    "weights": "bench.cli.inventory.engines:weights_app",
    "presets": "bench.cli.inventory.presets:app",
    "lines": "bench.cli.inventory.lines:lines",
    "models": "bench.cli.inventory.models:app",
    "list": "bench.cli.inventory.presets:list_app",
    "fixtures": "bench.cli.inventory.fixtures:app",
    "labs": "labs.cli.main:app",
}
"""Sub-command → ``module:name`` of a function or of a Typer app with sub-commands of its own."""

RENAMED: dict[str, str] = {"floor": "algorithmic-latency"}
"""Old name of a sub-command → its name now; the old one still works, and is not listed."""

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


class LazyGroup(TyperGroup):
    """Imports a sub-command only when it is named (or listed)."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All sub-commands, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Imports one sub-command, by its name or an old one."""
        if cmd_name in RENAMED:
            typer.echo(f"duplex-lab: {cmd_name} is called {RENAMED[cmd_name]} now.", err=True)
            cmd_name = RENAMED[cmd_name]
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        found: Any = getattr(importlib.import_module(module), name)
        if not isinstance(found, typer.Typer):
            single = typer.Typer(add_completion=False, rich_markup_mode=None)
            single.command(cmd_name)(found)
            found = single
        command = typer.main.get_command(found)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=LazyGroup,
    name="duplex-lab",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def _root() -> None:
    """How long does a voice agent take to answer, where do the milliseconds go, how sure is that?

    Start with: duplex-lab run --presets cascade-embedded,cascade-stock --fixtures quick
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
