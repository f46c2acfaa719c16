"""Returns memory that is free inside the process to the machine, between two conversations.

A conversation leaves thousands of small free blocks, and glibc keeps their pages for the next:
measured, an agent of 130 MB grew to 175 MB in ten conversations without holding anything.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys


def give_back() -> None:
    """Collects garbage and trims the heap; takes some 20 ms, so never while anybody speaks."""
    gc.collect()
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # another libc has no such call
            ctypes.CDLL(None).malloc_trim(0)
