"""As cold_llm; the model was asked once before the first turn."""

from bot_kit import talk
from cold_llm import Paged


async def bot(runner_args):
    await talk(runner_args, Paged(warm=True))
