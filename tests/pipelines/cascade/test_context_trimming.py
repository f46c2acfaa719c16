"""A conversation longer than the model's context: the oldest exchanges leave it, and it goes on."""

from typing import Any

import pytest
from pipecat.frames.frames import LLMContextFrame, LLMTextFrame
from pipecat.pipeline.worker import PipelineParams
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.tests.utils import SleepFrame, run_test

from pipelines.cascade.llm import ModelLLMService
from pipelines.cascade.llm_server import ServerLLMService
from pipelines.cascade.llm_server_double import ChatServerDouble
from pipelines.engines.options import LlmOptions
from pipelines.engines.processes import llm_engine
from pipelines.marks import MarkList
from pipelines.process.process import ModelProcess

SYSTEM = "The red block is on the table."
NOTE = "The user likes tea."
PARAMS = PipelineParams(enable_metrics=True, enable_usage_metrics=True)


def talk(turns, *notes):
    """A context with that many exchanges, and a question."""
    messages: list[Any] = []
    for n in range(turns):
        messages.append({"role": "user", "content": f"where is the red block, I ask {n} times"})
        messages.append({"role": "assistant", "content": "The red block is on the table."})
    messages += [{"role": "developer", "content": note} for note in notes]
    return LLMContext([*messages, {"role": "user", "content": "where is the red block?"}])


async def answered(service, *frames):
    down, _ = await run_test(
        service, frames_to_send=list(frames), pipeline_params=PARAMS, start_timeout=20.0
    )
    return "".join(f.text for f in down if type(f) is LLMTextFrame)


@pytest.mark.timeout(120)
async def test_the_embedded_model_goes_on_where_its_1024_tokens_are_full():
    options, marks = LlmOptions(), MarkList()
    engine, context = llm_engine(options), talk(80)
    async with ModelProcess("mind", engine.engine, engine.options, marks=marks) as process:
        service = ModelLLMService(process, marks=marks, options=options, system=SYSTEM)
        said = await answered(service, LLMContextFrame(context), SleepFrame(1.0))
    assert "table" in said
    left = context.get_messages()
    assert 2 < len(left) < 100 and left[0]["role"] == "user"
    assert left[-1]["content"] == "where is the red block?"
    (trimmed, *_) = [m for m in marks.marks if m.event == "trimmed"]
    assert trimmed.value < 1_024 and trimmed.text in ("counted", "estimated")
    counted = {m.event: m.value for m in marks.marks if m.event.startswith("prompt_")}
    assert counted["prompt_read"] + counted["prompt_cached"] <= 1_024 - options.max_tokens


async def test_a_server_is_asked_for_what_fits_by_its_own_count_of_tokens():
    double, marks = ChatServerDouble(models=["small"]), MarkList()
    async with double.serve() as url:
        options = LlmOptions(
            engine="openai-compatible", model="small", url=url, context_tokens=440, max_tokens=100
        )
        service = ServerLLMService(options, marks, None, SYSTEM)
        first, second = (talk(10, NOTE) for _ in range(2))
        said = await answered(
            service,
            LLMContextFrame(first), SleepFrame(0.5), LLMContextFrame(second), SleepFrame(0.5),
        )  # fmt: skip
    assert said == "Okay, done." * 2
    # Ten exchanges fit into the 340 tokens by four characters each; the server counts two.
    asked, asked_again = (body["messages"] for body in double.asked)
    assert asked[0] == {"role": "system", "content": SYSTEM}
    assert len(asked) == 23 and len(first.get_messages()) == 22
    assert asked_again[0] == {"role": "system", "content": SYSTEM}
    assert len(asked_again) == 1 + len(second.get_messages()) < 23
    assert [m["content"] for m in second.get_messages()[-2:]] == [NOTE, "where is the red block?"]
    (trimmed,) = [m for m in marks.marks if m.event == "trimmed"]
    assert trimmed.text == "counted" and trimmed.value <= 0.75 * 340
