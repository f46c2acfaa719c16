"""The LLM's marker says that the turn is complete: the LLM runs before the turn is released."""

from bot_kit import ScriptedLLM, listening, talk
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import FilterIncompleteUserTurnStrategies


async def bot(runner_args):
    stop = [SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=0.3)]
    turns = FilterIncompleteUserTurnStrategies(stop=stop)
    llm = ScriptedLLM(marker="● ", delay=0.8)
    await talk(runner_args, llm, user_params=listening(user_turn_strategies=turns))
