"""A language model that fails at once, and a second that takes over after 0.5 s."""

import asyncio

from bot_kit import ScriptedLLM, talk


class FallsOver(ScriptedLLM):
    async def answer(self, context):
        await self.push_error("the first model is overloaded")
        await asyncio.sleep(0.5)
        await super().answer(context)


async def bot(runner_args):
    await talk(runner_args, FallsOver())
