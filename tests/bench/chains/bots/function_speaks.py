"""A function of 1 s speaks the answer itself and ends 0.5 s later; the model is not run again."""

import asyncio

from bot_kit import ANSWER, talk
from pipecat.frames.frames import FunctionCallResultProperties, TTSSpeakFrame
from tool import mind


async def look(params):
    await asyncio.sleep(1.0)
    await params.llm.push_frame(TTSSpeakFrame(ANSWER))
    await asyncio.sleep(0.5)
    properties = FunctionCallResultProperties(run_llm=False)
    await params.result_callback({"ok": True}, properties=properties)


async def bot(runner_args):
    llm = mind(tool_s=0)
    llm.register_function("look", look)
    await talk(runner_args, llm)
