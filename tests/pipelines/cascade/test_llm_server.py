"""A language model behind a server of OpenAI's protocol: Pipecat's service against a double."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseStartFrame,
    LLMTextFrame,
)
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.tests.utils import SleepFrame, run_test

from pipelines.cascade.llm import REQUEST_ID
from pipelines.cascade.llm_server_double import ChatServerDouble
from pipelines.engines.options import LlmOptions
from pipelines.errors import SpecError
from pipelines.marks import MarkList


def options(url: str, **more: Any) -> LlmOptions:
    return LlmOptions(engine="openai-compatible", model="small", url=url, **more)


def asked() -> LLMContextFrame:
    return LLMContextFrame(LLMContext(messages=[{"role": "user", "content": "hello"}]))


async def run(
    llm: LlmOptions, frames: Sequence[Frame]
) -> tuple[list[Frame], list[Frame], MarkList]:
    from pipelines.cascade.llm_server import make

    marks = MarkList()
    down, up = await run_test(
        make(llm, marks, None), frames_to_send=list(frames), start_timeout=20.0
    )
    return list(down), list(up), marks


def events(marks: MarkList) -> list[str]:
    return [f"{m.stage}.{m.event}" for m in marks.marks]


async def test_an_answer_streams_in_with_its_marks() -> None:
    double = ChatServerDouble(["...", "Okay", ", done."])
    async with double.serve() as url:
        down, _, marks = await run(options(url, max_tokens=7), [asked(), SleepFrame(0.5)])
    texts = [f.text for f in down if isinstance(f, LLMTextFrame)]
    assert texts == ["...", "Okay", ", done."]
    assert events(marks) == [
        "llm.request", "llm.first_token", "llm.first_speakable", "llm.end", "agent.answer_text"
    ]  # fmt: skip
    assert marks.marks[-1].text == "...Okay, done." and marks.marks[-2].value == 3
    (begin,) = [f for f in down if isinstance(f, LLMFullResponseStartFrame)]
    assert {m.request_id for m in marks.marks} == {begin.metadata[REQUEST_ID]}
    (body,) = double.asked
    assert body["messages"] == [{"role": "user", "content": "hello"}]
    assert (body["model"], body["stream"], body["max_tokens"]) == ("small", True, 7)


async def test_an_interruption_breaks_the_stream_off() -> None:
    double = ChatServerDouble(["a "] * 500, interval_s=0.02)
    async with double.serve() as url:
        frames = [asked(), SleepFrame(0.5), InterruptionFrame(), SleepFrame(0.5)]
        down, _, marks = await run(options(url), frames)
        assert double.broken_off == 1
    assert 0 < len([f for f in down if isinstance(f, LLMTextFrame)]) < 200
    assert events(marks)[-1] == "llm.cancelled" and "llm.end" not in events(marks)


async def test_a_server_that_fails_is_an_error_frame_and_no_answer() -> None:
    async with ChatServerDouble(status=400).serve() as url:
        _, up, marks = await run(options(url), [asked(), SleepFrame(0.5)])
    assert "a bad day" in next(f for f in up if isinstance(f, ErrorFrame)).error
    assert events(marks) == ["llm.request"]


async def test_what_a_server_lacks_is_reported_before_the_first_trial(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from pipelines.cascade.llm_server import check_server

    double = ChatServerDouble(models=["small", "big"], key="secret")
    async with double.serve() as url:
        with pytest.raises(SpecError, match=r"refuses the key \(status 401\)"):
            await check_server(options(url))
        with pytest.raises(SpecError, match="variable MY_KEY is not set"):
            await check_server(options(url, api_key_variable="MY_KEY"))
        monkeypatch.setenv("MY_KEY", "secret")
        await check_server(options(url, api_key_variable="MY_KEY"))
        with pytest.raises(SpecError, match="no model 'huge'; it has: small, big"):
            wanted = LlmOptions(engine="ollama", model="huge", url=url, api_key_variable="MY_KEY")
            await check_server(wanted)
    with pytest.raises(SpecError, match="no server of OpenAI's protocol answers at"):
        await check_server(options(url))
    with pytest.raises(SpecError, match="needs the model's name"):
        await check_server(LlmOptions(engine="ollama"))
