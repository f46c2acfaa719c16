"""Options of a preset for a Pipecat bot that exists already. Pure, imports nothing heavy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pipelines.guards.ranges import Range
from pipelines.spec import PRESETS, PipelineSpec


@dataclass(frozen=True, slots=True)
class BotOptions:
    """``bot = "my_bot.py"``, or ``[bot]`` with ``file = "my_bot.py"`` and other options."""

    file: str
    """The bot's Python file, with ``async def bot(runner_args)``; relative to the preset's file."""
    transport: str = ""
    """The key of the bot's transport_params to use; empty: the first that the bot has, in the order
    of `pipelines.bot.seat.TRANSPORTS`."""
    greeting_s: Annotated[float, Range(0, 60, "s")] = 4.0
    """Longest wait for the bot to speak first, s; once it has begun, the caller waits until it is
    silent. 0: the caller speaks at once."""
    folder: str = ""
    """Folder in which a relative ``file`` is looked for; filled in as the preset's file is read."""

    def __post_init__(self) -> None:
        if not self.file:
            raise ValueError("file names no file")

    @property
    def path(self) -> Path:
        """The absolute path of the file."""
        return (Path(self.folder or PRESETS) / self.file).resolve()


def model_files(spec: PipelineSpec) -> list[dict[str, str]]:
    """The bot's own file, as ``run.json`` lists it: the services that it calls are not known."""
    import hashlib

    path: Path = spec.stages["bot"].path
    known = path.is_file()
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest() if known else ""
    return [{"name": "bot", "file": path.name, "sha256": sha256}]
