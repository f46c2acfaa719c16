"""Speech that is held back while the user may be interrupting, and goes on if he was not.

A listener's "mm-hm" and the first word of an interruption sound alike for a few hundred ms. Who
speaks falls silent at once and decides then: `HoldSpeechFrame` is that silence. Mixed into an
output transport of Pipecat's, `HoldsSpeech` obeys it::

    class MyOutput(HoldsSpeech, FastAPIWebsocketOutputTransport): ...
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipecat.frames.frames import Frame, InterruptionFrame, OutputAudioRawFrame, SystemFrame
from pipecat.processors.frame_processor import FrameDirection

if TYPE_CHECKING:
    from pipecat.transports.base_output import BaseOutputTransport as _Base
else:
    _Base = object


@dataclass
class HoldSpeechFrame(SystemFrame):
    """Holds the agent's speech back, or lets it go on.

    Parameters:
        held: Whether it is held from now on.
    """

    held: bool = True


class HoldsSpeech(_Base):
    """An output transport that waits before each chunk while speech is held."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._may_speak = asyncio.Event()
        self._may_speak.set()
        self._interruptions = 0
        self.waiting = False
        """Whether a chunk is held back now."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Obeys; an interruption ends the silence, and drops the chunk that waited."""
        if isinstance(frame, HoldSpeechFrame):
            if frame.held:
                self._may_speak.clear()
            else:
                self._may_speak.set()
        await super().process_frame(frame, direction)
        if isinstance(frame, InterruptionFrame):
            self._interruptions += 1
            self._may_speak.set()

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        """Writes a chunk as soon as it may be heard."""
        if not self._may_speak.is_set():
            self.waiting, before = True, self._interruptions
            try:
                await self._may_speak.wait()
            finally:
                self.waiting = False
            if self._interruptions != before and frame.interruptible:
                return False
        return await super().write_audio_frame(frame)
