"""Greets 6.2 s after the client has come: the caller has begun by then."""

import asyncio

from bot_kit import ScriptedLLM, greet_by_tts, talk


async def greet(worker, context):
    await asyncio.sleep(6.2)
    await greet_by_tts(worker, context)


async def bot(runner_args):
    await talk(runner_args, ScriptedLLM(delay=1.5), greet=greet)
