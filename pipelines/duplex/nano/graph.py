"""How duplex-nano's ONNX graphs are loaded and streamed.

One thread that does not spin, errors in a sentence, and the state outside the graph: a new stream
is a complete reset, and nothing grows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.duplex.nano.sound import FRAME, Floats, LogMel
from pipelines.weights.error import WeightsError


def open_graph(path: Path, inputs: tuple[str, ...] = (), *, arena: bool = True) -> Any:
    """An ONNX file as a session of ONNX Runtime.

    Args:
        path: The file.
        inputs: The names that its inputs must have, in order; none: not checked.
        arena: True to keep the memory of a call for the next.

    Raises:
        WeightsError: it is missing, can't be read, or is another graph.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_cpu_mem_arena = arena
    options.log_severity_level = 4
    if not path.is_file():
        raise WeightsError(f"{path} is missing: restore it, or make it again (training/README.md)")
    try:
        session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a class for each of its states, and no base
        raise WeightsError(
            f"{path} can't be loaded by onnxruntime ({str(error).splitlines()[0][:160]}): take "
            "the file from the repository again, or export it again"
        ) from error
    names = tuple(held.name for held in session.get_inputs())
    if inputs and names != inputs:
        raise WeightsError(
            f"{path} takes {', '.join(names)} and should take {', '.join(inputs)}: it is another "
            "graph; take the file from the repository again"
        )
    return session


class StreamingGraph:
    """A graph whose state is its input ``state`` and its last output: (size,) float32."""

    def __init__(self, path: Path, feed: str) -> None:
        """Loads it.

        Args:
            path: The file.
            feed: The name of its other input.

        Raises:
            WeightsError: it is missing, can't be read, or is another graph.
        """
        self.graph, self.feed = open_graph(path, (feed, "state")), feed
        self.size = int(self.graph.get_inputs()[1].shape[0])


class Stream:
    """The state of one conversation; input in pieces gives the same as input all at once."""

    def __init__(self, of: StreamingGraph) -> None:
        self._of, self._past = of, np.zeros(of.size, np.float32)

    @property
    def state_bytes(self) -> int:
        """Bytes of the state; constant."""
        return self._past.nbytes

    def __call__(self, fed: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """One or more frames → all outputs but the state."""
        found: list[npt.NDArray[Any]]
        *found, self._past = self._of.graph.run(None, {self._of.feed: fed, "state": self._past})
        return found


class HearingStream(Stream):
    """The same for sound: the graph gets log-mel spectra of it."""

    def __init__(self, of: StreamingGraph) -> None:
        super().__init__(of)
        self._mel = LogMel()

    def hear(self, pcm: Floats) -> list[npt.NDArray[Any]]:
        """(frames · 1920,) samples → all outputs but the state.

        Raises:
            ValueError: the samples are not a whole number of frames.
        """
        if len(pcm) == 0 or len(pcm) % FRAME:
            raise ValueError(f"{len(pcm)} samples are not a whole number of frames of {FRAME}")
        return self(self._mel(np.asarray(pcm, np.float32)))
