"""``[watch]`` of a preset: whether an intent watcher listens along, and what stands behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pipelines.guards.ranges import Range, WaitS


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """The intent watcher: a tap on the text stream that turns words into tasks for the robot."""

    intents: Literal["off", "rules", "classifier"] = "off"
    """off: none. rules: whatever a pattern finds is a task. classifier: a pattern proposes, and a
    small classifier decides whether it is meant."""
    gap_ms: Annotated[float, Range(1, 60_000, "ms")] = 600.0
    """Silence of the text stream after which a phrase without an end is read as far as it goes."""
    repeat_s: WaitS = 8.0
    """The same task within this time is one task, said twice."""
    plan_s: Annotated[float, Range(0, 15, "s")] = 0.0
    """The slow loop: each task is thought about for so long by a reasoner in a process of its own,
    which computes all the while; 0: there is none."""
