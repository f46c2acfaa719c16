"""Options of a preset for an agent that is reached by its address. Pure, imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from pipelines.guards.ranges import Range


@dataclass(frozen=True, slots=True)
class RemoteOptions:
    """``[agent]`` of a preset with ``architecture = "remote"``."""

    url: str
    """Address of the agent, ``ws://127.0.0.1:8765/talk`` for one."""
    line: str
    """Protocol that it speaks: ``duplex-lab lines`` lists them."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the line, ``[agent.options]``."""
    headers_from_env: Mapping[str, str] = field(default_factory=dict)
    """Header of the HTTP request → environment variable that holds its value. ``Authorization``
    becomes ``Bearer …`` where the value has no scheme of its own."""
    start: str = ""
    """Command that starts the agent on this machine, as a shell would read it; empty: it runs
    already. The lab waits until its port answers, measures its processes, and ends them."""
    start_timeout_s: Annotated[float, Range(1, 600, "s")] = 60.0
    """Longest wait for its port to answer."""
    greeting_s: Annotated[float, Range(0, 60, "s")] = 4.0
    """Longest wait for the agent to speak first, s; once it has begun, the caller waits until it is
    silent. 0: the caller speaks at once."""

    def __post_init__(self) -> None:
        if not self.url:
            raise ValueError("url names no address")
        if not self.line:
            raise ValueError("line names no protocol")
