"""Two language models behind a switch; the second is the active one."""

from bot_kit import ScriptedLLM, talk
from pipecat.frames.frames import ManuallySwitchServiceFrame
from pipecat.pipeline.llm_switcher import LLMSwitcher


async def bot(runner_args):
    first, second = ScriptedLLM("i am the wrong one.", 0.1), ScriptedLLM(delay=0.7)

    async def switch(worker, context):
        await worker.queue_frames([ManuallySwitchServiceFrame(service=second)])

    await talk(runner_args, LLMSwitcher(llms=[first, second]), greet=switch)
