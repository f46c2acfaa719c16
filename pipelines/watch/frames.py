"""Frames that the watcher adds to the pipeline. System frames: they overtake audio, and nothing
waits.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipecat.frames.frames import SystemFrame


@dataclass
class PhysicalTaskFrame(SystemFrame):
    """A call of ``do_physical_task``.

    Parameters:
        call_id: Its id.
        arguments: Checked against `pipelines.watch.schema`.
        who: Speaker of the words: user or agent.
        said: The phrase.
    """

    call_id: str
    arguments: dict[str, str]
    who: str
    said: str


@dataclass
class PhysicalTaskCancelledFrame(SystemFrame):
    """The call was cancelled by the speaker ("never mind").

    Parameters:
        call_id: Id of the call.
    """

    call_id: str


@dataclass
class PhysicalTaskPlannedFrame(SystemFrame):
    """The slow loop has finished its plan for a call.

    Parameters:
        call_id: Id of the call.
        plan: The plan.
    """

    call_id: str
    plan: str
