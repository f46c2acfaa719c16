"""Smart-turn on a core that others use too: 180 ms for its verdict, on its own thread."""

import time

from bot_kit import ScriptedLLM, listening, talk
from pipecat.audio.turn.smart_turn.local_smart_turn_v3 import LocalSmartTurnAnalyzerV3
from pipecat.turns.user_stop import TurnAnalyzerUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies


class Slow(LocalSmartTurnAnalyzerV3):
    def _predict_endpoint(self, audio_array):
        time.sleep(0.18)
        return super()._predict_endpoint(audio_array)


async def bot(runner_args):
    turns = UserTurnStrategies(stop=[TurnAnalyzerUserTurnStopStrategy(turn_analyzer=Slow())])
    await talk(runner_args, ScriptedLLM(), user_params=listening(user_turn_strategies=turns))
