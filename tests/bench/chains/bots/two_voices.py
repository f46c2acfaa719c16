"""Two branches with a synthesiser each, of which one is open."""

from bot_kit import ScriptedLLM, talk
from pipecat.pipeline.parallel_pipeline import ParallelPipeline
from pipecat.processors.filters.function_filter import FunctionFilter
from pipecat.services.settings import TTSSettings
from pipecat.services.tts_service import TTSService


class Other(TTSService):
    """The voice of the other language: never asked."""

    def __init__(self):
        super().__init__(settings=TTSSettings(model="other", voice=None, language=None))

    async def run_tts(self, text, context_id):
        raise AssertionError("the branch is shut")
        yield


async def opened(frame):
    return True


async def shut(frame):
    return False


def both(tts):
    return ParallelPipeline([FunctionFilter(opened), tts], [FunctionFilter(shut), Other()])


async def bot(runner_args):
    await talk(runner_args, ScriptedLLM(), tts_of=both)
