"""As tool; the function takes 3 s, longer than a caller waits after an answer."""

from bot_kit import talk
from tool import mind


async def bot(runner_args):
    await talk(runner_args, mind(tool_s=3.0))
