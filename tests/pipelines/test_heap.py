"""Memory that is free inside a process goes back to the machine."""

from __future__ import annotations

import sys

import psutil
import pytest

from pipelines.heap import give_back

MB = 1e6


def resident_mb() -> float:
    return float(psutil.Process().memory_info().rss) / MB


@pytest.mark.skipif(sys.platform != "linux", reason="malloc_trim is glibc's")
def test_what_was_freed_below_a_block_that_is_still_held_goes_back():
    before = resident_mb()
    blocks = [bytes([i % 256]) * 2000 for i in range(50_000)]  # 100 MB, each from the heap
    held = blocks[:: len(blocks) // 20]  # the last among them pins the heap's end
    full = resident_mb()
    del blocks
    kept = resident_mb()
    give_back()
    left = resident_mb()
    assert full - before > 90
    assert left < before + 15, f"{kept:.0f} MB of {full:.0f} were kept, {left:.0f} after"
    assert all(len(block) == 2000 for block in held)
