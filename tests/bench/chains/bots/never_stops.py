"""A stop strategy that never ends a turn: the aggregator's limit of 5 s does."""

from bot_kit import ScriptedLLM, listening, talk
from pipecat.turns.user_stop import BaseUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies


class Never(BaseUserTurnStopStrategy):
    pass


async def bot(runner_args):
    turns = UserTurnStrategies(stop=[Never()])
    await talk(runner_args, ScriptedLLM(), user_params=listening(user_turn_strategies=turns))
