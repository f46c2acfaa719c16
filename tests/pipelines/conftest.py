"""Processes of engines, as a preset's options ask for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from pipelines.engines.options import LlmOptions, SttOptions, TtsOptions
from pipelines.engines.processes import llm_engine, stt_engine, tts_engine
from pipelines.marks import MarkList
from pipelines.process import environment
from pipelines.process.process import ModelProcess
from tests.pipelines.local_engines import Start


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts the process that serves a stage's options."""
    processes: list[ModelProcess] = []

    async def start(options: Any, marks: MarkList | None = None) -> ModelProcess:
        table: dict[type, Any] = {
            SttOptions: stt_engine,
            LlmOptions: llm_engine,
            TtsOptions: tts_engine,
        }
        e = table[type(options)](options)
        interpreter = environment.ensure(e.environment) if e.environment else None
        process = ModelProcess(
            e.name,
            e.engine,
            e.options,
            marks=marks or MarkList(),
            interpreter=interpreter,
            load_timeout_s=600.0,  # pytest ends it before
            request_timeout_s=60.0,  # nothing here measures how fast something is
            cancel_grace_s=60.0,
        )
        processes.append(process)
        await process.ensure_running()
        return process

    yield start
    for process in processes:
        await process.stop()


@pytest.fixture(scope="session")
def moshi_mlx_python() -> str:
    """The interpreter of the engine environment moshi-mlx."""
    return environment.ensure("moshi-mlx", lambda words: print(words, flush=True))
