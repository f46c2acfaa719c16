"""A function call of 1.5 s with a spoken "let me check" when it starts, then the answer."""

import asyncio

from bot_kit import ScriptedLLM, talk
from pipecat.frames.frames import (
    LLMFullResponseEndFrame,
    LLMFullResponseStartFrame,
    TTSSpeakFrame,
)
from pipecat.services.llm_service import FunctionCallFromLLM


class ToolLLM(ScriptedLLM):
    """Calls its function first; answers when the result is in the context."""

    async def answer(self, context):
        last = context.get_messages()[-1]
        if isinstance(last, dict) and last.get("role") == "tool":
            await super().answer(context)
            return
        await self.push_frame(LLMFullResponseStartFrame())
        await self.start_ttfb_metrics()
        await asyncio.sleep(self.delay)
        await self.stop_ttfb_metrics()
        call = FunctionCallFromLLM(
            function_name="look", tool_call_id="t1", arguments={}, context=context
        )
        await self.run_function_calls([call])
        await self.push_frame(LLMFullResponseEndFrame())


def mind(tool_s, filler="let me check."):
    async def look(params):
        await asyncio.sleep(tool_s)
        await params.result_callback({"ok": True})

    llm = ToolLLM(delay=0.3)
    llm.register_function("look", look)
    if filler:

        @llm.event_handler("on_function_calls_started")
        async def started(service, calls):
            await service.push_frame(TTSSpeakFrame(filler))

    return llm


async def bot(runner_args):
    await talk(runner_args, mind(tool_s=1.5))
