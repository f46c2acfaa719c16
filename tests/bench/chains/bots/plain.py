"""The plainest bot: no greeting, an answer after 0.3 s."""

from bot_kit import ScriptedLLM, talk


async def bot(runner_args):
    await talk(runner_args, ScriptedLLM())
