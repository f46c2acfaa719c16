"""The model says a sentence and calls a function of 2 s in one answer; then the answer proper."""

import asyncio

from bot_kit import ScriptedLLM, talk
from pipecat.frames.frames import LLMFullResponseEndFrame, LLMFullResponseStartFrame
from pipecat.services.llm_service import FunctionCallFromLLM


class SaysAndCalls(ScriptedLLM):
    async def answer(self, context):
        last = context.get_messages()[-1]
        if isinstance(last, dict) and last.get("role") == "tool":
            await super().answer(context)
            return
        await self.push_frame(LLMFullResponseStartFrame())
        await asyncio.sleep(self.delay)
        await self.say("one moment please.")
        call = FunctionCallFromLLM(
            function_name="look", tool_call_id="t1", arguments={}, context=context
        )
        await self.run_function_calls([call])
        await self.push_frame(LLMFullResponseEndFrame())


async def look(params):
    await asyncio.sleep(2.0)
    await params.result_callback({"ok": True})


async def bot(runner_args):
    llm = SaysAndCalls(delay=0.3)
    llm.register_function("look", look)
    await talk(runner_args, llm)
