"""Speaks a long answer to its end, whatever the user says meanwhile."""

from bot_kit import ScriptedLLM, listening, talk
from pipecat.turns.user_start import VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies

LONG = "okay i will go to the kitchen, then to the garden, and then to the red door of the house."


async def bot(runner_args):
    turns = UserTurnStrategies(
        start=[VADUserTurnStartStrategy(enable_interruptions=False)],
        stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.3)],
    )
    await talk(runner_args, ScriptedLLM(LONG), user_params=listening(user_turn_strategies=turns))
