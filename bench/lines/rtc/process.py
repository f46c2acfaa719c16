"""The caller's handle on the process that speaks WebRTC for it: started once, for all calls.

aiortc needs an event loop and threads of its own, and the caller is one loop and one thread. A
child by `multiprocessing` it could not be: the caller is one itself, and may have none.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import subprocess
import sys
import tempfile
from typing import IO

from bench.lines.rtc.messages import CallError

START_TIMEOUT_S = 30.0
LOG_TAIL = 400
"""Characters of a dead process's log that its error quotes."""


class Helper:
    """The process.

    Raises:
        CallError: it did not start.
    """

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair()
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 closed by `stop`
        with theirs:
            # It ends when its end of the socket closes, however the caller ends.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "bench.lines.rtc.program", str(theirs.fileno())],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                process_group=0,
            )
        self._control.settimeout(START_TIMEOUT_S)
        with contextlib.suppress(OSError):
            if self._control.recv(1):
                return
        self._log.seek(0)
        said = self._log.read().decode("utf-8", "replace").strip()[-LOG_TAIL:]
        self.stop()
        raise CallError(f"the process that speaks WebRTC did not start ({said})")

    def connected(self) -> socket.socket:
        """A socket to it, for one call.

        Raises:
            OSError: the process is no more.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._control, [b"c"], [theirs.fileno()])
        return ours

    def stop(self) -> None:
        """Ends the process."""
        self._control.close()
        try:
            self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


_running: list[Helper] = []
"""The process of this one; none before the first call."""


def connected() -> socket.socket:
    """A socket for one call to the process, which is started if need be.

    Raises:
        CallError: it did not start.
    """
    with contextlib.suppress(OSError):
        if _running:
            return _running[-1].connected()
    stop()
    _running.append(Helper())
    return _running[-1].connected()


@atexit.register
def stop() -> None:
    """Ends the process, if it runs."""
    while _running:
        _running.pop().stop()
