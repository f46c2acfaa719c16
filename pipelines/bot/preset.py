"""The preset of a bot's file that has no preset of its own."""

from __future__ import annotations

import json
from pathlib import Path

from pipelines.bot.load import require_file
from pipelines.spec import PipelineSpec, parse_spec, with_folder


def bot_spec(file: Path) -> PipelineSpec:
    """The preset of a bot's file that has no preset of its own.

    Raises:
        LabError: there is no such file, or its name can't be that of a preset.
    """
    require_file(file.resolve())
    text = f"bot = {json.dumps(file.name)}\n"
    return parse_spec(file.stem, with_folder(text, file.parent))
