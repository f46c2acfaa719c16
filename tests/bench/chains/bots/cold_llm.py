"""A language model whose first answer pages its weights in: 2 s, then 0.3 s each.

With ``warm`` one request before the first turn has done that.
"""

from bot_kit import ScriptedLLM, talk

COLD_S = 2.0


class Paged(ScriptedLLM):
    def __init__(self, warm):
        super().__init__(text="okay.")
        self.warm = warm

    async def answer(self, context):
        self.delay = 0.3 if self.warm else COLD_S
        self.warm = True
        await super().answer(context)


async def bot(runner_args):
    await talk(runner_args, Paged(warm=False))
