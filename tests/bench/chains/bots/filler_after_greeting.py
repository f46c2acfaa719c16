"""As filler_on_stop, and it greets first by its LLM."""

from bot_kit import ScriptedLLM, greet_by_llm, talk
from filler_on_stop import Filler


async def bot(runner_args):
    await talk(runner_args, ScriptedLLM(delay=1.0), before_llm=[Filler()], greet=greet_by_llm)
