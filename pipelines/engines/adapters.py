"""The engines that a cascade's stages can have: the rows of the modules in stt, llm and tts.

A preset names one by ``engine = "…"`` in its stage's table. Most run in a child process, some of
them by the interpreter of an engine environment; some are Pipecat's own services; and some can't
run here, and give the reason. A row is found at the end of its engine's module.
"""

from __future__ import annotations

import difflib
from functools import cache
from typing import get_args

from pipelines.engines.row import EngineRow, Stage
from pipelines.moved import new_name, told
from pipelines.rows import rows_of

STAGES: tuple[Stage, ...] = get_args(Stage)
"""The stages of a cascade that an engine serves, in the order of the conversation."""


@cache
def stage_rows(stage: str) -> tuple[EngineRow, ...]:
    """The engines of a stage: those that need nothing, those with an environment, then servers."""
    found: list[EngineRow] = rows_of(f"pipelines.engines.{stage}")
    return tuple(sorted(found, key=lambda row: (row.service, row.environment != "", row.name)))


def all_rows() -> tuple[EngineRow, ...]:
    """The engines of all stages."""
    return tuple(row for stage in STAGES for row in stage_rows(stage))


def engine_row(stage: str, name: str) -> EngineRow:
    """The row of an engine that a preset names.

    Raises:
        ValueError: there is none of that name; the text names the known ones.
    """
    rows = {row.name: row for row in stage_rows(stage)}
    if name not in rows:
        near = difflib.get_close_matches(name, rows, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        if new := new_name(name):  # a module, in the form that old notes name engines
            known = {row.path: row.name for row in rows.values()}
            hint = f" (did you mean {known[new]!r}?)" if new in known else f" ({told(name)})"
        raise ValueError(f"engine = {name!r} is unknown{hint}; known: {', '.join(rows)}")
    return rows[name]


def row_named(name: str) -> EngineRow:
    """The row of an engine by its name alone, which no two stages share.

    Raises:
        KeyError: there is none of that name.
    """
    return {row.name: row for row in all_rows()}[name]
