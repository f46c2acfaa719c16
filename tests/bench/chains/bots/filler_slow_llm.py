"""As filler_after_greeting; the LLM takes 2 s, so that silence lies between filler and answer."""

from bot_kit import ScriptedLLM, greet_by_llm, talk
from filler_on_stop import Filler


async def bot(runner_args):
    await talk(runner_args, ScriptedLLM(delay=2.0), before_llm=[Filler()], greet=greet_by_llm)
