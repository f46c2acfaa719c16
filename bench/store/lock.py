"""One run in one folder: a lock that the kernel drops when its holder dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from types import TracebackType

from bench.store.atomic import StoreError, explained


class RunLock:
    """Held while a run writes into its folder.

    The lock is the kernel's (``flock`` on ``.lock``), not the file: a file left behind by a killed
    run locks nothing. The holder's pid stands in it for the error message. A child that is forked
    (not spawned) while the lock is held holds it too. A folder that it made, and into which nothing
    was written, is gone again when the lock is.

    Raises (on entering):
        StoreError: another process holds it, or the folder can't be written.
    """

    def __init__(self, run_dir: Path) -> None:
        self.path = run_dir / ".lock"
        self._fd: int | None = None
        self._made = False

    def __enter__(self) -> RunLock:
        with explained(self.path):
            self._made = not self.path.parent.exists()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(fd, 32).decode(errors="replace").strip() or "unknown"
            os.close(fd)
            raise StoreError(
                f"{self.path.parent}: another run writes here (pid {holder}); "
                "wait for it, or choose another folder"
            ) from None
        except OSError as error:  # some network file systems have no locks
            os.close(fd)
            raise StoreError(
                f"{self.path.parent}: can't be locked ({error.strerror}); choose a folder on a "
                "local disk"
            ) from None
        try:
            with explained(self.path):
                os.ftruncate(fd, 0)
                os.write(fd, str(os.getpid()).encode())
        except StoreError:
            os.close(fd)
            raise
        self._fd = fd
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._fd is not None:
            with contextlib.suppress(OSError):  # the pid is only a hint: closing frees the lock
                os.ftruncate(self._fd, 0)
                if self._made and list(self.path.parent.iterdir()) == [self.path]:
                    self.path.unlink()
                    self.path.parent.rmdir()
            os.close(self._fd)
            self._fd = None
