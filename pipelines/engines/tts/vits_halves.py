"""A VITS voice cut in two, so that its first sound does not wait for its last.

The first half says what is spoken: from phonemes to one latent frame for each 11.6 ms. The second
makes sound of it, which is two thirds of the work, and needs only a few frames around each: it is
run on a stretch at a time, with that many frames more on either side, and what comes out is what
the whole network would have said. How many it needs is measured when the voice is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pipelines.engines.tts.abortable import AbortableSession
from pipelines.process.engine import Emit

CONTEXTS = (12, 16, 24)
"""Frames on either side that are tried, the least first; Piper's medium voices need 10."""
STRETCHES = (8, 16, 32, 64)
"""Frames of the first stretches; all later ones are as long as the last."""
_ALIKE = 1e-4
"""Largest difference of the stretches from the whole, of its largest value."""
_LEVEL = 0.9
"""Peak of the sentence by which the level is set, of full scale."""


def cut(model: Any) -> tuple[bytes, bytes, str] | None:
    """Cuts a network before the first convolution of its vocoder.

    Args:
        model: An ``onnx.ModelProto`` with the input ``input`` and the output ``output``.

    Returns:
        Both halves, and the name of the tensor between them; None: it can't be cut so.
    """
    from onnx import TensorProto, helper

    latent = _latent(model.graph)
    if latent is None:
        return None
    between = helper.make_tensor_value_info(latent, TensorProto.FLOAT, None)
    output, *others = model.graph.output
    front = _part(model, list(model.graph.input), [between, *others])
    back = _part(model, [between], [output])
    return (front, back, latent) if front and back else None


def _latent(graph: Any) -> str | None:
    """The vocoder's input: a convolution of it is what is first widened in time."""
    makers = {output: node for node in graph.node for output in node.output}
    node = next((n for n in graph.node if n.op_type == "ConvTranspose"), None)
    for kind in ("LeakyRelu", "Conv"):
        node = makers.get(node.input[0]) if node is not None else None
        if node is None or node.op_type != kind:
            return None  # a voice of several speakers adds the speaker there
    return str(node.input[0]) if node is not None else None


def _part(model: Any, inputs: list[Any], outputs: list[Any]) -> bytes:
    """The network between some tensors; empty if it needs others too."""
    from onnx import helper

    given = {i.name for i in inputs}
    wanted = {o.name for o in outputs}
    nodes = []
    for node in reversed(model.graph.node):  # each stands after those that it needs
        if any(output in wanted for output in node.output):
            nodes.append(node)
            wanted |= _needs(node) - given
    weights = [w for w in model.graph.initializer if w.name in wanted]
    made = {output for node in nodes for output in node.output} | {w.name for w in weights}
    if wanted - made - {""}:
        return b""
    graph = helper.make_graph(nodes[::-1], model.graph.name, inputs, outputs, weights)
    opsets = {"opset_imports": model.opset_import, "ir_version": model.ir_version}
    return bytes(helper.make_model(graph, **opsets).SerializeToString())


def _needs(node: Any) -> set[str]:
    """Names of the tensors that a node reads, its branches and loops included."""
    names = set(node.input)
    for attribute in node.attribute:
        for inner in attribute.g.node:
            names |= _needs(inner)
    return names


class HalvedSession:
    """In the place of a voice's session: runs its first half, and makes the sound on demand.

    Piper's own code gets silence of the right length, from which it computes the phonemes' times.
    """

    def __init__(
        self, front: AbortableSession, back: AbortableSession, latent: str, hop: int
    ) -> None:
        """Takes both halves.

        Args:
            front: The first half.
            back: The second.
            latent: Name of the tensor between them.
            hop: Samples a frame.
        """
        self._front = front
        self._back = back
        self._name = latent
        self._latent: Any = None  # (1, channels, frames) float32
        self._hop = hop
        self._context = 0
        self._level = 0.0

    @contextmanager
    def wanted_by(self, emit: Emit) -> Iterator[None]:
        """Runs inside the block stop when that request is cancelled."""
        with self._front.wanted_by(emit), self._back.wanted_by(emit):
            yield

    def run(self, _outputs: Any, feeds: dict[str, Any]) -> list[Any]:
        """Runs the first half; returns silence in the place of the audio."""
        import numpy as np

        self._latent, *others = self._front.run(None, feeds)
        silence = np.zeros((1, 1, self._latent.shape[2] * self._hop), np.float32)
        return [silence, *others]

    def measure(self) -> bool:
        """Finds how much context a stretch needs, and the level, by what was run last.

        Returns:
            Whether stretches sound like the whole.
        """
        import numpy as np

        frames = self._latent.shape[2]
        whole = self._sound(self._latent)
        peak = float(np.abs(whole).max())
        if len(whole) != frames * self._hop or not peak:
            return False
        self._level = _LEVEL / peak
        begin, end = frames // 2, frames // 2 + STRETCHES[0]
        expected = whole[begin * self._hop : end * self._hop]
        for self._context in CONTEXTS:
            part = self._stretch(self._latent, begin, end)
            if np.abs(part - expected).max() <= _ALIKE * peak:
                return True
        return False

    def pieces(self) -> Iterator[bytes]:
        """The sound of what was run last, int16, a stretch at a time, at an even level."""
        import numpy as np

        frames, at, level = self._latent.shape[2], 0, self._level
        for number in range(frames):
            end = min(frames, at + STRETCHES[min(number, len(STRETCHES) - 1)])
            sound = self._stretch(self._latent, at, end)
            lower = min(level, 1 / max(float(np.abs(sound).max()), 1e-8))
            sound[: self._hop] *= np.linspace(level, lower, self._hop, dtype=np.float32)
            sound[self._hop :] *= lower
            level, at = lower, end
            yield (np.clip(sound, -1.0, 1.0) * 32767).astype(np.int16).tobytes()
            if at == frames:
                return

    def _stretch(self, latent: Any, begin: int, end: int) -> Any:
        """The sound of some frames, (samples,) float32."""
        first = max(0, begin - self._context)
        last = min(latent.shape[2], end + self._context)
        sound = self._sound(latent[:, :, first:last])
        return sound[(begin - first) * self._hop : (end - first) * self._hop].copy()

    def _sound(self, latent: Any) -> Any:
        return self._back.run(None, {self._name: latent})[0].reshape(-1)
