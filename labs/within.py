"""A block with a time limit: for work on submissions, in this very process."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator

from pipelines.errors import LabError


class TooLongError(LabError):
    """The time limit was exceeded."""


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Ends the block after ``seconds``; outside of a main thread there is no such limit.

    A timer that was set before continues after it.

    Raises:
        TooLongError: the block lasted longer.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: object) -> None:
        raise TooLongError(f"it took longer than {seconds:g} s.")

    began_s = time.monotonic()
    handler = signal.signal(signal.SIGALRM, ring)
    earlier_s, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if earlier_s:
            left_s = earlier_s - (time.monotonic() - began_s)
            signal.setitimer(signal.ITIMER_REAL, max(0.001, left_s))
