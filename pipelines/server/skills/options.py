"""``[skills]`` of the server: which functions agents may call, and what is said meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pipelines.guards.ranges import Range
from pipelines.server.config.option import Help


@dataclass(frozen=True, slots=True)
class SkillOptions:
    """Functions that agents may call."""

    enabled: Annotated[
        bool, Help("Let agents call skills: do_physical_task, tell_time and your own.", "--skills")
    ] = False
    modules: Annotated[
        tuple[str, ...],
        Help("Your own: a list of skills in your code, as package.module:NAME.", metavar="PATH"),
    ] = ()
    watch: Annotated[
        Literal["off", "rules", "classifier"],
        Help("Intent watcher on the words of presets that have none, to call do_physical_task."),
    ] = "classifier"
    planner: Annotated[
        str,
        Help(
            "Preset whose language model plans each task, slowly, in a process of its own.",
            metavar="PRESET",
        ),
    ] = ""
    budget_ms: Annotated[
        float,
        Range(1, 60_000, "ms"),
        Help("Time within which a call is answered, by its result or by 'late', ms."),
    ] = 500.0
    fillers: Annotated[
        tuple[str, ...], Help("Said in turn while a skill is at work.", metavar="TEXT")
    ] = ("Let me see.", "One moment.")
    filler_ms: Annotated[
        float,
        Range(0, 60_000, "ms"),
        Help("Time that a skill is waited for before a filler is said, ms."),
    ] = 300.0
