"""As stop_first; the stop is proposed after the transcript."""

from stop_first import converse


async def bot(runner_args):
    await converse(runner_args, stop_first=False)
