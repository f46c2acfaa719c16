"""The language model answers with no text."""

from bot_kit import ScriptedLLM, talk


async def bot(runner_args):
    await talk(runner_args, ScriptedLLM(text=""))
