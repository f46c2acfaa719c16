"""``[watch]`` of a preset: whether an intent watcher listens, and its engines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pipelines.guards.ranges import Range, Tokens, WaitS


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """The intent watcher: a tap on the text stream that turns words into tasks for the robot."""

    intents: Literal["off", "rules", "classifier"] = "off"
    """off: none. rules: every match of a pattern is a task. classifier: a pattern proposes, and a
    small classifier decides whether it is meant."""
    gap_ms: Annotated[float, Range(1, 60_000, "ms")] = 600.0
    """Silence of the text stream after which a phrase without an end is read as it is."""
    repeat_s: WaitS = 8.0
    """Time within which the same task is one task, said twice."""
    plan_s: Annotated[float, Range(0, 15, "s")] = 0.0
    """Computing time of a stand-in for a slow planner for each task, s, in a process of its own;
    0: no stand-in."""
    planner: str = ""
    """Preset whose language model plans each task, in a process of its own and at a lower priority;
    empty: none."""
    plan_tokens: Tokens = 96
    """Longest plan, in tokens."""

    def __post_init__(self) -> None:
        if self.planner and self.plan_s:
            raise ValueError("plan_s is the time of a stand-in: leave it out beside 'planner'")
