"""A processor before the language model: what the user said earlier goes into its context first."""

from __future__ import annotations

from pipecat.frames.frames import Frame, LLMContextFrame
from pipecat.processors.aggregators.llm_context import LLMContext, standard_message_text
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from pipelines.server.memory.injection import for_language_model, injection
from pipelines.server.memory.recall import Recall


class BeforeAnswer(FrameProcessor):
    """Puts memories into each context on its way to the language model.

    Args:
        recall: The conversation's.
        wait_s: Longest time that an answer waits for it, s.
    """

    def __init__(self, recall: Recall, wait_s: float) -> None:
        super().__init__()
        self._recall = recall
        self._wait_s = wait_s

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Passes everything on; a context with what the user's last words bring back."""
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame) and direction == FrameDirection.DOWNSTREAM:
            await self._remind(frame.context, speculation=frame.speculation)
        await self.push_frame(frame, direction)

    async def _remind(self, context: LLMContext, *, speculation: bool) -> None:
        messages = context.get_messages()
        asked = [
            k for k, m in enumerate(messages) if isinstance(m, dict) and m.get("role") == "user"
        ]
        if not asked or not (text := standard_message_text(messages[asked[-1]])):
            return
        found = await self._recall.find(text, wait_s=self._wait_s, keep=not speculation)
        if found:
            # Before the question: a small model answers the last message.
            note = {"role": "developer", "content": for_language_model(injection(found))}
            at = asked[-1]
            context.set_messages([*messages[:at], note, *messages[at:]])  # type: ignore[list-item]
