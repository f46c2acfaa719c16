"""Imports a bot's file in a process of its own before a run begins, and reports what is wrong with
it.

A process of its own, because the file is the user's: whatever it does when it is imported, the
measuring process is not affected. ``python -m pipelines.bot.check FILE``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pipelines.bot.load import BotError, load_bot, require_file
from pipelines.cache import Tell
from pipelines.process.family import VARIABLE, end_family, family
from pipelines.spec import PipelineSpec

IMPORT_S = 240.0
"""Longest import, s: as long as an agent may take to load its models."""
_FAULT = "duplex-lab: "
_RIGHT, _WRONG = 70, 71
"""Exit statuses that only this module uses: a bot may end the process with any other."""


def provide(spec: PipelineSpec, tell: Tell) -> None:
    """Refuses a bot that can't be imported, before anything of a run is written.

    Raises:
        BotError: there is no such file, it can't be imported, or has no ``bot(runner_args)``.
    """
    path: Path = spec.stages["bot"].path
    require_file(path)
    tell(f"importing {path.name}")
    command = [sys.executable, "-m", "pipelines.bot.check", str(path)]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(p or "." for p in sys.path)}
    status, said = _run(command, variables)
    if status is None:
        raise BotError(
            f"{path.name} was still being imported after {IMPORT_S:.0f} s: load what takes long in "
            "bot(), or put what starts it under if __name__ == '__main__'."
        )
    if status == _WRONG:
        raise BotError(said.rpartition(_FAULT)[2].strip())
    if status != _RIGHT:
        raise BotError(
            f"{path.name} ended the process that imported it (exit status {status}): "
            f"'python {path}' shows how."
        )


def _run(command: list[str], variables: Mapping[str, str]) -> tuple[int | None, str]:
    """A command's exit status (None: it did not end in time) and what it printed.

    What it started ends with it. Its output is a file: a helper that it leaves behind holds a pipe
    open for as long as it lives.
    """
    with family() as mark, tempfile.TemporaryFile() as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.DEVNULL,
            env={**variables, VARIABLE: mark},
        )
        try:
            status: int | None = process.wait(IMPORT_S)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            process.kill()
            process.wait()
            end_family(mark)
        out.seek(0)
        return status, out.read().decode(errors="replace")


def main(file: str) -> int:
    """Imports the file; the last line of the output says what is wrong with it."""
    try:
        from pipelines.bot.session import give_links

        give_links()  # as an agent does: the bot takes create_transport by its name
        load_bot(Path(file))
    except BotError as error:
        print(f"\n{_FAULT}{error}", flush=True)
        return _WRONG
    return _RIGHT


if __name__ == "__main__":
    status = main(sys.argv[1])
    sys.stdout.flush()
    os._exit(status)  # threads that the file started are not our concern
