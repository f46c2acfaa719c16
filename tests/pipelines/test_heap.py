"""Memory that is free inside a process goes back to the machine."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

CHILD = """
import json, psutil
from pipelines.heap import give_back

def resident_mb():
    return psutil.Process().memory_info().rss / 1e6

told = {"before": resident_mb()}
blocks = [bytes([i % 256]) * 2000 for i in range(50_000)]  # 100 MB, each from the heap
held = blocks[:: len(blocks) // 20] + blocks[-1:]  # the last pins the heap's end
told["full"] = resident_mb()
del blocks
told["kept"] = resident_mb()
give_back()
told["left"] = resident_mb()
assert all(len(block) == 2000 for block in held)
print(json.dumps(told))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="malloc_trim is glibc's")
def test_what_was_freed_below_a_block_that_is_still_held_goes_back():
    done = subprocess.run(
        [sys.executable, "-c", CHILD], capture_output=True, text=True, check=True, timeout=60
    )
    told = json.loads(done.stdout)
    assert told["full"] - told["before"] > 90, told
    assert told["kept"] - told["before"] > 90, "nothing is held back here: the test shows nothing"
    assert told["left"] - told["before"] < 15, told
