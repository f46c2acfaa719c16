"""The skills that ship: the task for the robot, as the intent watcher calls it, and the time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

from pipelines.server.skills.skill import Skill
from pipelines.watch.schema import TOOL, schema

Take = Callable[[Mapping[str, Any]], Awaitable[Any]]
"""Takes a task's arguments; its result is the skill's."""


def physical_task(take: Take | None = None) -> Skill:
    """``do_physical_task``: hands a task to whoever moves the robot.

    Args:
        take: Takes the task; None: it is accepted, and whoever reads the conversation's events
            does it.
    """

    async def run(arguments: Mapping[str, Any]) -> Any:
        if take is not None:
            return await take(arguments)
        return {"accepted": True, **arguments}

    return Skill(TOOL, str(schema().get("description", "A task for the robot.")), schema(), run)


def the_time(now: Callable[[], datetime] = datetime.now) -> Skill:
    """``tell_time``: the time of day on the server's machine."""

    async def run(arguments: Mapping[str, Any]) -> Any:
        found = now()
        return {"time": found.strftime("%H:%M"), "say": f"It is {found.strftime('%H:%M')}."}

    nothing = {"type": "object", "properties": {}, "additionalProperties": False}
    return Skill("tell_time", "Says what time it is.", nothing, run)


def shipped() -> list[Skill]:
    """All of them."""
    return [physical_task(), the_time()]
