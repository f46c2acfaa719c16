"""Hears nobody until its greeting is over; the greeting comes 1 s after the client."""

import asyncio

from bot_kit import ScriptedLLM, greet_by_tts, listening, talk
from pipecat.turns.user_mute import MuteUntilFirstBotCompleteUserMuteStrategy


async def greet(worker, context):
    await asyncio.sleep(1.0)
    await greet_by_tts(worker, context)


async def bot(runner_args):
    mute = listening(user_mute_strategies=[MuteUntilFirstBotCompleteUserMuteStrategy()])
    await talk(runner_args, ScriptedLLM(), user_params=mute, greet=greet)
