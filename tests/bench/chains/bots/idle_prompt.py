"""Asks again, once, where the user has been silent for 1 s."""

from bot_kit import ScriptedLLM, listening, talk
from pipecat.frames.frames import TTSSpeakFrame


def wire(user, worker, **_):
    asked = []

    @user.event_handler("on_user_turn_idle")
    async def idle(_aggregator):
        if asked:
            return
        asked.append(True)
        await worker.queue_frames([TTSSpeakFrame("are you still there?")])


async def bot(runner_args):
    user_params = listening(user_idle_timeout=1.0)
    await talk(runner_args, ScriptedLLM(), user_params=user_params, wire=wire)
