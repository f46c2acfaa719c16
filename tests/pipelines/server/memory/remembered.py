"""What the tests of the memory share: a clock of their own, and a cascade without sound."""

from __future__ import annotations

import asyncio
from typing import Any

from pipecat.frames.frames import Frame, LLMContextFrame, LLMTextFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.aggregators.llm_response_universal import LLMContextAggregatorPair
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor

from pipelines.host import Host
from pipelines.server.memory.memories import Memories
from pipelines.server.memory.options import MemoryOptions
from pipelines.server.session.events import AssistantPartial, Memory, UserText
from pipelines.spec import PipelineSpec

DAY_S = 86_400.0
T0_S = 1_790_000_000.0


class Calendar:
    """The time, s since 1970, as the test has it."""

    def __init__(self) -> None:
        self.s = T0_S

    def __call__(self) -> float:
        return self.s

    def pass_days(self, days: float) -> None:
        """Lets days go by."""
        self.s += days * DAY_S


class Reader(FrameProcessor):
    """A language model that answers with all that it was told: ``role: content``, a line each."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        """Answers a context."""
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame):
            messages: Any = frame.context.get_messages()
            lines = [f"{m['role']}: {m['content']}" for m in messages]
            await self.push_frame(LLMTextFrame("\n".join(lines)))
        else:
            await self.push_frame(frame, direction)


async def build(host: Host) -> Pipeline:
    """A cascade of one language model, which is spoken to in writing."""
    pair = LLMContextAggregatorPair(LLMContext())
    ends = host.transport.input(), host.transport.output()
    return Pipeline(
        [ends[0], pair.user(), *host.before_answer, Reader(), ends[1], pair.assistant()]
    )


SPEC = PipelineSpec("written", "written", "written", weights="scripted", kind="cascade")
"""Its preset; a test registers the architecture."""


def memories(folder, calendar, **options):
    """A started memory."""
    house = Memories(MemoryOptions(folder=folder, **options), calendar)
    house.start()
    return house


async def asked(talk, text, seen=None):
    """(what came back, what the model was told) of something that the user writes.

    Args:
        talk: The session.
        text: The user's words.
        seen: Gets all events.
    """
    await talk.send(UserText(text))
    injected: tuple[str, ...] = ()
    async with asyncio.timeout(30):
        async for event in talk.events():
            if seen is not None:
                seen.append(event)
            if isinstance(event, Memory):
                injected = event.injected
            elif isinstance(event, AssistantPartial):
                return injected, event.text
    raise AssertionError("no answer")
