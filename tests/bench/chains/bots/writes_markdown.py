"""The language model writes Markdown; the signs are taken out before they are spoken."""

from bot_kit import ScriptedLLM, talk
from pipecat.utils.text.transforms.strip_markdown import strip_markdown


def plain(tts):
    tts.add_text_transformer(strip_markdown)
    return tts


async def bot(runner_args):
    llm = ScriptedLLM("**okay** i will go to the `kitchen`.")
    await talk(runner_args, llm, tts_of=plain)
