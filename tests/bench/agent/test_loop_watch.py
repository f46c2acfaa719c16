"""The watch on the event loop: how long nothing ran, and who held it."""

import asyncio
import time

import pytest
from pipecat.processors.frame_processor import FrameProcessor

from bench.agent.loop_watch import LoopWatch, holder
from pipelines.marks import MarkList

pytestmark = pytest.mark.realtime


class Brain(FrameProcessor):
    """Blocks the loop in a function of its own."""

    def think(self, seconds):
        time.sleep(seconds)


async def watched(block):
    """The blocks that are marked while ``block`` runs, between two quiet moments."""
    marks = MarkList()
    async with LoopWatch(marks):
        await asyncio.sleep(0.1)
        await block()
        await asyncio.sleep(0.1)
    return [m for m in marks.marks if m.event == "blocked"]


async def test_a_processor_that_blocks_the_loop_is_named_with_the_time():
    brain = Brain(name="Brain#7")

    async def block():
        brain.think(0.3)

    begun_ns = time.monotonic_ns()
    (mark, *_) = sorted(await watched(block), key=lambda m: -(m.value or 0))
    assert mark.text == "Brain#7"
    assert 275 <= mark.value < 1000
    assert mark.t_ns > begun_ns


async def test_what_is_no_processor_is_named_by_its_outermost_function():
    async def my_handler():
        time.sleep(0.2)  # noqa: ASYNC251 (the fault)

    (mark, *_) = await watched(lambda: asyncio.create_task(my_handler()))
    assert mark.text.endswith("my_handler")


async def test_work_that_leaves_the_loop_free_is_no_block():
    quiet = [m for m in await watched(lambda: asyncio.to_thread(time.sleep, 0.2)) if m.value > 150]
    assert quiet == []


async def test_what_the_blocked_function_held_is_free_when_it_returns():
    """A frame that the watch kept would keep the view, and the buffer could not grow."""
    buffer = bytearray(8)

    def hold():
        view = memoryview(buffer)
        time.sleep(0.2)
        return len(view)

    async def block():
        hold()
        buffer.extend(b"more")

    assert [mark.text for mark in await watched(block)]
    assert len(buffer) == 12


def test_a_loop_that_only_waits_has_no_holder():
    assert holder(None) == ""
