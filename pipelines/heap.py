"""Memory between conversations: what is free goes back to the machine, what lasts is not searched.

A conversation leaves thousands of small free blocks, and glibc keeps their pages for the next:
measured, an agent of 130 MB grew to 175 MB in ten conversations without holding anything.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
from collections.abc import Iterator


def give_back() -> None:
    """Collects garbage and trims the heap.

    It takes some 20 ms, so never while anybody speaks; within `lasting`, 2 to 8 ms: measured, with
    four conversations of a cascade.
    """
    gc.collect()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another libc has no such call
            ctypes.CDLL(None).malloc_trim(0)


@contextlib.contextmanager
def lasting() -> Iterator[None]:
    """Within, the garbage collector leaves out what was there before.

    Measured: it takes 42 ms to look through the 107,000 objects of a server that has loaded
    Pipecat, while every conversation waits.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
