"""The parts of a user's own bot, before it runs: its file; the services that it calls are
unknown.
"""

from __future__ import annotations

from pathlib import Path

from pipelines.bot.load import BotError, require_file
from pipelines.readiness.part import Part
from pipelines.spec import PipelineSpec


def parts(spec: PipelineSpec) -> list[Part]:
    """Its file."""
    path: Path = spec.stages["bot"].path
    shipped = path.is_relative_to(Path(__file__).parents[1])
    licence, tested = ("Apache-2.0", "trained weights") if shipped else ("yours", "not by us")
    return [Part(path.name, "", licence, ("the bot's",), tested)]


def missing(spec: PipelineSpec) -> list[str]:
    """The file, where it is not there."""
    try:
        require_file(spec.stages["bot"].path)
    except BotError as error:
        return [str(error)]
    return []
