"""A language model that gives a word every 50 ms, and says what it found in its prefix cache."""

import asyncio

from bot_kit import ScriptedLLM
from pipecat.metrics.metrics import LLMTokenUsage

WORD_S = 0.05
PROMPT = 100
"""Tokens of the first prompt; each turn adds as many."""


class WordByWord(ScriptedLLM):
    """Keeps a prefix cache if it is asked to."""

    def __init__(self, caches, **more):
        super().__init__(**more)
        self.caches, self.turns = caches, 0

    async def say(self, text):
        for word in text.split():
            await self._push_llm_text(word + " ")
            await asyncio.sleep(WORD_S)
        cached = PROMPT * self.turns if self.caches else 0
        self.turns += 1
        usage = LLMTokenUsage(
            prompt_tokens=PROMPT * self.turns,
            completion_tokens=7,
            total_tokens=PROMPT * self.turns + 7,
            cache_read_input_tokens=cached,
        )
        await self.start_llm_usage_metrics(usage)
