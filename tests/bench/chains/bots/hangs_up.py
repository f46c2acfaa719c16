"""Says goodbye, then ends the call itself, as an end_call function does."""

from bot_kit import ScriptedLLM, talk
from pipecat.frames.frames import EndFrame


def wire(worker, assistant, **_):
    @assistant.event_handler("on_assistant_turn_stopped")
    async def stopped(*_):
        await worker.queue_frames([EndFrame()])


async def bot(runner_args):
    await talk(runner_args, ScriptedLLM("goodbye and have a nice day."), wire=wire)
