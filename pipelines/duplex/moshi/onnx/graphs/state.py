"""The state of a graph that streams: one flat row a conversation, cut into the pieces that each
layer keeps.
"""

from __future__ import annotations

from math import prod

from pipelines.duplex.moshi.onnx.graphs.graph import Graph


class FlatState:
    """The input ``state`` (batch, size), whose pieces layers read, and the output ``next_state``,
    whose pieces they write.

    Pieces are asked for before the graph's size is known, so they are named first and cut last.
    """

    def __init__(self, graph: Graph, pieces: dict[str, tuple[int, ...]]) -> None:
        """Declares the input.

        Args:
            graph: The graph under construction.
            pieces: Name → shape without the batch; all zeros in a new conversation.
        """
        self._graph = graph
        self.size = sum(prod(shape) for shape in pieces.values())
        whole = graph.input("state", ["batch", self.size])
        cut = graph.split(whole, 1, [prod(shape) for shape in pieces.values()])
        self._held = {
            name: graph.reshape(part, 0, *shape)
            for (name, shape), part in zip(pieces.items(), cut, strict=True)
        }
        self._next: dict[str, str] = {}

    def read(self, name: str) -> str:
        """The piece as the last call left it."""
        return self._held[name]

    def write(self, name: str, value: str) -> None:
        """The piece for the next call."""
        self._next[name] = value

    def finish(self) -> None:
        """Declares the output.

        Raises:
            KeyError: a piece was never written.
        """
        parts = [self._graph.reshape(self._next[name], 0, -1) for name in self._held]
        self._graph.output(self._graph.concat(1, *parts), "next_state", ["batch", self.size])
