"""How these graphs run: a session of ONNX Runtime, and the state of the conversations on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.weights.error import WeightsError

FRESH = ("next_state", "fresh_keys", "fresh_values")


def open_graph(path: Path, threads: int = 1) -> Any:
    """A graph as a session; its threads sleep while they wait.

    Raises:
        WeightsError: it can't be loaded; the sentence says how it is made again.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a class for each of its states, and no base
        raise WeightsError(
            f"{path} can't be loaded by onnxruntime ({str(error).splitlines()[0][:160]}): remove "
            f"{path.parent}, and run again: it is made anew"
        ) from error


class StreamingGraph:
    """One of our graphs and the state of ``batch`` conversations.

    The graph's inputs are the given ones, ``state``, ``position``, and the rings ``keys_i`` and
    ``values_i``; its outputs are the results, and `FRESH`. The rings stay where they are: a call
    writes the new entries over the oldest ones. Not for two threads at once.
    """

    def __init__(self, session: Any, results: tuple[str, ...], steps: int, batch: int = 1) -> None:
        """Makes the state of new conversations.

        Args:
            session: See `open_graph`; several of these may share one.
            results: Names of the outputs that are no state.
            steps: Number of steps that a call adds.
            batch: Number of conversations.
        """
        self._session, self._steps = session, steps
        self._outputs = [*results, *FRESH]
        shapes = {given.name: given.shape[1:] for given in session.get_inputs()}
        layers = sum(name.startswith("keys_") for name in shapes)
        self._slots = int(shapes["values_0"][1])
        self._keys = np.zeros((layers, batch, *shapes["keys_0"]), np.float32)
        self._values = np.zeros((layers, batch, *shapes["values_0"]), np.float32)
        self._state = np.zeros((batch, *shapes["state"]), np.float32)
        self._position = np.zeros(batch, np.int64)
        self._rings = {f"keys_{i}": ring for i, ring in enumerate(self._keys)}
        self._rings |= {f"values_{i}": ring for i, ring in enumerate(self._values)}

    @property
    def state_bytes(self) -> int:
        """Bytes of the state of all conversations; constant."""
        return self._keys.nbytes + self._values.nbytes + self._state.nbytes

    @property
    def position(self) -> npt.NDArray[np.int64]:
        """Number of steps of each conversation so far: (batch,)."""
        return self._position

    def reset(self, row: int | None = None) -> None:
        """Begins a new conversation in one row, or in all, exactly as if it were the first."""
        rows = slice(None) if row is None else row
        self._state[rows] = 0.0
        self._position[rows] = 0
        self._keys[:, rows] = 0.0  # never seen; but no one's past stays in memory
        self._values[:, rows] = 0.0

    def __call__(self, given: dict[str, Any]) -> list[npt.NDArray[Any]]:
        """One call: the results; the state moves on."""
        inputs = self._rings | given | {"state": self._state, "position": self._position}
        results: list[npt.NDArray[Any]]
        *results, self._state, keys, values = self._session.run(self._outputs, inputs)
        slots = self._position % self._slots
        if (slots == slots[0]).all():
            self._keep(slice(None), int(slots[0]), keys, values)
        else:
            for row, slot in enumerate(slots):
                each = slice(row, row + 1)
                self._keep(each, int(slot), keys[:, each], values[:, each])
        self._position = self._position + self._steps
        return results

    def _keep(
        self, rows: slice, slot: int, keys: npt.NDArray[Any], values: npt.NDArray[Any]
    ) -> None:
        end = slot + self._steps  # the slots are a multiple of the steps
        self._keys[:, rows, ..., slot:end] = keys
        self._values[:, rows, ..., slot:end, :] = values
