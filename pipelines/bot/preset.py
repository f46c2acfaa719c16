"""The preset of a bot's file that has no preset of its own."""

from __future__ import annotations

from pathlib import Path

from pipelines.bot.load import require_file
from pipelines.errors import SpecError
from pipelines.guards.texts import fit_name, toml_string, whole
from pipelines.spec import PipelineSpec, parse_spec, with_folder


def bot_spec(file: Path) -> PipelineSpec:
    """The preset of a bot's file that has no preset of its own.

    Raises:
        LabError: there is no such file, or its name is not UTF-8.
    """
    require_file(file.resolve())
    if whole(file.name) != file.name:
        raise SpecError(f"{whole(file.name)}: the file's name is not UTF-8: rename it.")
    text = f"bot = {toml_string(file.name)}\n"
    return parse_spec(fit_name(file.stem), with_folder(text, file.parent))
