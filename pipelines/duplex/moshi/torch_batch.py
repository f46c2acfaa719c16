"""Many sessions on one model: each step serves every session whose frame has arrived."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from pipelines.process.engine import EngineError

In = TypeVar("In")
Out = TypeVar("Out")


class LockStep(Generic[In, Out]):
    """Gathers one input of each open row, and has them worked on together.

    A round begins with its first input, and is worked on as soon as every open row's has arrived,
    or ``deadline_s`` after the first: rows that are late are left out of this round and wait for
    the next. The thread of the session that completes the round does the work.
    """

    def __init__(
        self,
        rows: int,
        work: Callable[[Mapping[int, In]], Mapping[int, Out]],
        *,
        deadline_s: float,
    ) -> None:
        """Makes it, without open rows.

        Args:
            rows: Number of rows.
            work: Row → input in, row → output out; called by one thread at a time.
            deadline_s: Longest wait of a round for late rows.
        """
        self._work = work
        self._deadline_s = deadline_s
        self._changed = threading.Condition()  # guards all fields below
        self._free = list(reversed(range(rows)))
        self._open: set[int] = set()
        self._inputs: dict[int, In] = {}
        self._outputs: dict[int, Out | BaseException] = {}
        self._round_ends_s = 0.0
        self._working = False

    def join(self, begin: Callable[[int], None]) -> int:
        """Opens a row.

        Args:
            begin: Gets the row; called while no work is done.

        Raises:
            EngineError: all are open.
        """
        with self._changed:
            if not self._free:
                raise EngineError(
                    f"all {len(self._open)} sessions of this model are open: end one, or load the "
                    "model with a larger batch"
                )
            row = self._free.pop()
            self._changed.wait_for(lambda: not self._working)
            begin(row)
            self._open.add(row)
            return row

    def leave(self, row: int) -> None:
        """Closes a row; the others no longer wait for it."""
        with self._changed:
            self._open.discard(row)
            self._inputs.pop(row, None)
            self._free.append(row)
            self._changed.notify_all()

    def step(self, row: int, given: In) -> Out:
        """Gives a row's input and waits for its output.

        Raises:
            Exception: what the work raised; each row of the round gets it.
        """
        with self._changed:
            if not self._inputs:
                self._round_ends_s = time.monotonic() + self._deadline_s
            self._inputs[row] = given
            self._changed.notify_all()
            while row not in self._outputs:
                left_s = self._round_ends_s - time.monotonic()
                if self._working or row not in self._inputs:
                    self._changed.wait()
                elif left_s > 0 and not self._open <= self._inputs.keys():
                    self._changed.wait(left_s)
                else:
                    self._do_round()
            output = self._outputs.pop(row)
        if isinstance(output, BaseException):
            raise output
        return output

    def _do_round(self) -> None:
        inputs, self._inputs = self._inputs, {}
        self._working = True
        self._changed.release()
        outputs: dict[int, Out | BaseException] = {}
        try:
            outputs.update(self._work(inputs))
        except BaseException as error:
            outputs.update(dict.fromkeys(inputs, error))
        finally:
            self._changed.acquire()
            self._working = False
        self._outputs.update(outputs)
        self._changed.notify_all()
