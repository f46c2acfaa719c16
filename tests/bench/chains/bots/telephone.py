"""Speaks at 8 kHz, to a line of 8 kHz; it listens at 16 kHz."""

from bot_kit import ScriptedLLM, talk


async def bot(runner_args):
    await talk(runner_args, ScriptedLLM(), rates=(16000, 8000))
