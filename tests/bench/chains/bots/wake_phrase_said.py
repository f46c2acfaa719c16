"""As wake_phrase; its name is in the command."""

from bot_kit import ScriptedLLM, listening, talk
from wake_phrase import named


async def bot(runner_args):
    turns = listening(user_turn_strategies=named("go to"))
    await talk(runner_args, ScriptedLLM(), user_params=turns)
