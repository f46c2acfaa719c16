"""Speaks at 44.1 kHz."""

from bot_kit import ScriptedLLM, talk


async def bot(runner_args):
    await talk(runner_args, ScriptedLLM(), rates=(16000, 44100))
