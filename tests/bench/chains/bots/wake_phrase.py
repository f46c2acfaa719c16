"""Answers only to its name."""

from bot_kit import ScriptedLLM, listening, talk
from pipecat.turns.user_start import WakePhraseUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import (
    UserTurnStrategies,
    default_user_turn_start_strategies,
)


def named(*phrases):
    """Turns that begin with one of the phrases."""
    return UserTurnStrategies(
        start=[
            WakePhraseUserTurnStartStrategy(phrases=list(phrases)),
            *default_user_turn_start_strategies(),
        ],
        stop=[SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.3)],
    )


async def bot(runner_args):
    turns = listening(user_turn_strategies=named("hey robot"))
    await talk(runner_args, ScriptedLLM(), user_params=turns)
