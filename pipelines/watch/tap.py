"""``[watch]`` of a preset → its processors: none, or an intent watcher with its processes."""

from __future__ import annotations

import asyncio

from pipecat.processors.frame_processor import FrameProcessor

from pipelines.host import Host
from pipelines.process.pool import ModelPool
from pipelines.process.process import ModelProcess
from pipelines.watch.options import WatchOptions
from pipelines.watch.reasoner import planner_process
from pipelines.watch.watcher import IntentWatcher

ENGINES = "pipelines.watch.engine"


async def prepare_watch(options: WatchOptions, models: ModelPool) -> None:
    """Starts and warms the watcher's processes, where the preset wants one.

    Raises:
        ModelError: one could not be started.
    """
    await _processes(options, models)


async def intent_taps(host: Host) -> list[FrameProcessor]:
    """The processors to insert where the text stream flows: one, or none.

    Raises:
        ModelError: a process could not be started.
    """
    options: WatchOptions = host.options("watch")
    reader, reasoner = await _processes(options, host.models)
    if reader is None:
        return []
    return [IntentWatcher(reader, options=options, reasoner=reasoner, marks=host.marks)]


async def _processes(
    options: WatchOptions, models: ModelPool
) -> tuple[ModelProcess | None, ModelProcess | None]:
    if options.intents == "off":
        return None, None
    rules_only = {"rules_only": options.intents == "rules"}
    reader = models.get("intent reader", f"{ENGINES}:ReaderEngine", rules_only)
    if options.planner:
        reasoner = planner_process(options.planner, options.plan_tokens, models)
    elif options.plan_s:
        plan = {"plan_s": options.plan_s}
        reasoner = models.get("slow reasoner", f"{ENGINES}:ReasonerEngine", plan)
    else:
        return await reader, None
    both = await asyncio.gather(reader, reasoner)
    return both[0], both[1]
