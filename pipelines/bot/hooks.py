"""Named in ``PIPECAT_SETUP_FILES``: Pipecat's way to report the bot's worker and runner.

Pipecat imports this file by its path, so that it is another module than ``pipelines.bot.hooks``;
whatever must be shared lives in `pipelines.bot.seat`.
"""

from __future__ import annotations

from typing import Any

from pipelines.bot.seat import current


async def setup_pipeline_worker(worker: Any) -> None:
    """Called once for each PipelineWorker (or PipelineTask) before it sets up its processors."""
    seat = current()
    if seat is not None:
        seat.attach(worker)


async def setup_worker_runner(runner: Any) -> None:
    """Called once for each runner."""
    seat = current()
    if seat is not None:
        seat.runners.append(runner)
