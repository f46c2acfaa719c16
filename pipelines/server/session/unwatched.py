"""A pipeline whose observers are not shown the user's audio, which is most of its frames.

Pipecat queues each push and each taking of a frame for every observer, a task each; for a
conversation that listens, that is a third of the server's work, and none of ours asks for it.
"""

from __future__ import annotations

from dataclasses import replace

from pipecat.frames.frames import InputAudioRawFrame
from pipecat.observers.base_observer import (
    BaseObserver,
    FrameProcessed,
    FramePushed,
    ProcessorSetUp,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.processors.frame_processor import FrameProcessorSetup


class Unwatched(Pipeline):
    """Its processors' pushes are observed, but those of the user's audio."""

    async def setup(self, setup: FrameProcessorSetup) -> None:  # type: ignore[override]
        """Sets its processors up, with an observer that passes on less."""
        if setup.observer is not None:
            setup = replace(setup, observer=_Sieve(setup.observer))
        await super().setup(setup)


class _Sieve(BaseObserver):
    """Passes on what observers of ours ask for: each push of a frame that is not the user's audio.

    Args:
        behind: Hands them to the pipeline's observers.
    """

    def __init__(self, behind: BaseObserver) -> None:
        super().__init__()
        self._behind = behind

    async def on_push_frame(self, data: FramePushed) -> None:
        """Passes it on."""
        if not isinstance(data.frame, InputAudioRawFrame):
            await self._behind.on_push_frame(data)

    async def on_process_frame(self, data: FrameProcessed) -> None:
        """Nothing: a frame's pushes say the same."""

    async def on_processor_setup(self, data: ProcessorSetUp) -> None:
        """Passes it on."""
        await self._behind.on_processor_setup(data)
