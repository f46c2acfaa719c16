"""The output of a server that a run has started: kept in a file, bounded, secrets struck out."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from pipelines.secrets import STRUCK, redact

MAX_BYTES = 4 << 20
"""Bytes of the file that hold the beginning; of what follows, only the end is kept."""
LINE_BYTES = 1 << 14
"""Longest line that is handled as a whole."""
LAST_LINES = 200
"""Lines of the end that are kept."""
QUOTED = 400
"""Characters of the end that an error quotes."""


class ServerLog:
    """Reads a server's output on a thread, as long as one of its processes holds it open.

    Args:
        output: Read end of its output.
        path: The file, which is appended to; None: only the end is kept, in memory.
        keys: Texts to strike out beside the environment's secrets.
    """

    def __init__(self, output: IO[bytes], path: Path | None, keys: Sequence[str] = ()) -> None:
        self.path = path
        self._output = output
        self._keys = [key for key in keys if key]
        self._last: deque[str] = deque(maxlen=LAST_LINES)
        self._left_out = 0
        self._thread = threading.Thread(target=self._read, name="agent's log", daemon=True)
        self._thread.start()

    def end(self) -> str:
        """The last of what it said, for an error; empty: nothing."""
        self._thread.join(0.2)  # of a server that has ended, all is read by then
        return "".join(list(self._last)).strip()[-QUOTED:]

    def close(self, timeout_s: float = 2.0) -> None:
        """Waits until all is written; the server's processes have ended."""
        self._thread.join(timeout_s)
        if not self._thread.is_alive():
            self._output.close()

    def _read(self) -> None:
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(self.path.open("a", encoding="utf-8")) if self.path else None
            if file:
                utc = datetime.now(UTC).isoformat(timespec="seconds")
                file.write(f"--- started {utc}\n")
            while line := self._output.readline(LINE_BYTES):
                text = self._struck(line.decode("utf-8", "replace"))
                self._last.append(text)
                if file is None:
                    continue
                if file.tell() < MAX_BYTES:
                    file.write(text)
                    file.flush()
                else:
                    self._left_out += 1
            if file and self._left_out:
                dropped = max(0, self._left_out - len(self._last))
                file.write(f"\n--- {dropped} lines are left out here\n")
                file.writelines(list(self._last)[-self._left_out :])

    def _struck(self, text: str) -> str:
        for key in self._keys:
            text = text.replace(key, STRUCK)
        return redact(text)
