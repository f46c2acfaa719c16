"""A function of the language model says goodbye and asks the pipeline to end."""

from bot_kit import talk
from pipecat.frames.frames import EndWorkerFrame, FunctionCallResultProperties, TTSSpeakFrame
from tool import ToolLLM


async def end_call(params):
    await params.llm.push_frame(TTSSpeakFrame("okay i will go to the kitchen. goodbye."))
    await params.llm.push_frame(EndWorkerFrame())
    properties = FunctionCallResultProperties(run_llm=False)
    await params.result_callback({"ok": True}, properties=properties)


async def bot(runner_args):
    llm = ToolLLM(delay=0.3)
    llm.register_function("look", end_call)
    await talk(runner_args, llm)
