"""duplex-nano's language model: one ONNX graph call a frame, with a state that never grows.

Keys and values of the last frames lie in a ring in this module; the graph sees the ring, and
returns the new ones. Sampling is ``argmax(logits + temperature * Gumbel noise)``, with noise drawn
under the session's seed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.duplex.nano.graph import open_graph
from pipelines.duplex.nano.names import LM_NAME
from pipelines.weights.error import WeightsError

PAD, BOS, EOS = 0, 1, 2
"""Text tokens of a frame without any, of the one before the first, and of an utterance's end."""
OUTPUTS = ["said", "out", "fresh", "text_logits", "code_logits"]
ROPE_BASE = 10_000.0
_NEVER = np.float32(-1e9)

Vector = npt.NDArray[np.float32]
"""(width,) of the user's frame, from the ear."""
Codes = npt.NDArray[np.int64]
"""(8,) codes of one frame of the agent's speech."""


class NanoLm:
    """The graph; serves any number of sessions, one step at a time."""

    def __init__(self, folder: Path) -> None:
        """Loads it.

        Raises:
            WeightsError: it can't be read, or is not such a graph.
        """
        self._graph = open_graph(folder / LM_NAME, arena=False)
        shapes = {i.name: tuple(i.shape) for i in self._graph.get_inputs()}
        try:
            self.ring: tuple[int, int, int] = shapes["keys_0"]
            """(heads, frames, width) of a layer's keys."""
            self.layers = sum(name.startswith("keys_") for name in shapes)
            self.words: int = shapes["text_noise"][0]
            self.books, self.codes = shapes["code_noise"]
            self.vector: int = shapes["vector"][0]
        except KeyError as error:
            raise WeightsError(
                f"{folder / LM_NAME} has no input {error}: it is not a language model of "
                "duplex-nano; take the file from the repository again"
            ) from error

    def open(
        self,
        seed: int = 0,
        *,
        temperature: float = 0.8,
        text_temperature: float = 0.7,
        eagerness: float = 0.0,
    ) -> NanoLmSession:
        """A fresh session.

        Args:
            seed: Of its sampling.
            temperature: Of the codes; 0 is greedy.
            text_temperature: Of the text; 0 is greedy.
            eagerness: In nats; while it listens, a first word that is so much less likely than
                silence is said all the same. 0: what is likelier.
        """
        return NanoLmSession(self, seed, temperature, text_temperature, eagerness)

    def run(self, outputs: list[str], inputs: dict[str, Any]) -> list[Any]:
        """One call of the graph."""
        found: list[Any] = self._graph.run(outputs, inputs)
        return found


class NanoLmSession:
    """The state of one conversation: the last output, and the ring."""

    def __init__(
        self,
        lm: NanoLm,
        seed: int,
        temperature: float,
        text_temperature: float,
        eagerness: float = 0.0,
    ) -> None:
        self._lm = lm
        self._eagerness = np.float32(eagerness)
        self._listening = True  # between an utterance's end and the next one's first word
        self._random = np.random.default_rng(seed)
        self._temperature = np.float32(temperature)
        self._text_temperature = np.float32(text_temperature)
        self._frame = 0
        self._text = BOS
        self._silent = 1.0  # probability of having said nothing since a text began to wait
        self._codes = np.full(lm.books, lm.codes, np.int64)
        _, self._slots, width = lm.ring
        self._keys = [np.zeros(lm.ring, np.float32) for _ in range(lm.layers)]
        self._values = [np.zeros(lm.ring, np.float32) for _ in range(lm.layers)]
        self._bias = np.full(self._slots, _NEVER, np.float32)
        self._rates = ROPE_BASE ** (-np.arange(0, width, 2, dtype=np.float64) / width)
        self._inputs: dict[str, Any] = {"bias": self._bias}
        for index in range(lm.layers):
            self._inputs[f"keys_{index}"] = self._keys[index]
            self._inputs[f"values_{index}"] = self._values[index]

    @property
    def state_bytes(self) -> int:
        """Bytes of the conversation's state."""
        return sum(array.nbytes for array in (*self._keys, *self._values, self._bias))

    @property
    def codes(self) -> Codes:
        """(8,) of the last step as the graph gets them: books 1… are of the frame before."""
        return self._codes

    def step(self, vector: Vector, forced_text: int | None = None) -> tuple[int, Codes | None]:
        """One frame.

        Args:
            vector: The user's frame.
            forced_text: Text token in place of the model's own.

        Returns:
            The text token, and the codes of the frame of speech that is now whole: books 1… come
            one frame late, so that the first step has none.
        """
        text, codes, _, _ = self.step_with_logits(vector, forced_text)
        return text, codes

    def step_or_wait(self, vector: Vector, forced_text: int) -> tuple[int, Codes | None]:
        """Like `step`, with the token as soon as the model would go on itself, and silence until
        then.

        That is when it would more likely than not have said some token by now, since the last one:
        so a forced text has the pace of the model's own speech, and not an average one.
        """
        inputs = self._asked(vector)
        waited = self._call(inputs, PAD)
        logits = waited[3].astype(np.float64)
        self._silent *= float(1 / np.exp(logits - logits[PAD]).sum())
        return self._take(waited if self._silent > 0.5 else self._call(inputs, forced_text))

    def step_with_logits(
        self, vector: Vector, forced_text: int | None = None
    ) -> tuple[int, Codes | None, npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Like `step`, with the logits: (words,) and (books, codes)."""
        found = self._call(self._asked(vector), -1 if forced_text is None else forced_text)
        return *self._take(found), found[3], found[4]

    def _asked(self, vector: Vector) -> dict[str, Any]:
        """The graph's input in this frame, except a forced token."""
        angles = self._frame * self._rates
        text_noise = self._text_temperature * self._gumbel(self._lm.words)
        if self._listening:
            text_noise[PAD] -= self._eagerness
        return self._inputs | {
            "vector": np.ascontiguousarray(vector, np.float32),
            "text": np.array(self._text, np.int64),
            "codes": self._codes,
            "cos": np.cos(angles).astype(np.float32),
            "sin": np.sin(angles).astype(np.float32),
            "text_noise": text_noise,
            "code_noise": self._temperature * self._gumbel(self._lm.books, self._lm.codes),
        }

    def _call(self, inputs: dict[str, Any], forced_text: int) -> list[Any]:
        """The graph's output; the state is unchanged."""
        return self._lm.run(OUTPUTS, inputs | {"forced": np.array(forced_text, np.int64)})

    def _take(self, found: list[Any]) -> tuple[int, Codes | None]:
        """Advances by one frame with that output."""
        said, out, fresh = found[:3]
        self._keep(fresh)
        whole = None if self._frame == 0 else np.concatenate((self._codes[:1], out[1:]))
        self._text, self._codes = int(said), np.array(out, np.int64)
        if self._text != PAD:
            self._silent = 1.0
            self._listening = self._text == EOS
        if self._frame == 0:  # there is no frame before, so its books are empty
            self._codes[1:] = self._lm.codes
        self._frame += 1
        return self._text, whole

    def _keep(self, fresh: npt.NDArray[np.float32]) -> None:
        """Writes the frame's keys and values over the oldest ones."""
        slot = self._frame % self._slots
        for index in range(self._lm.layers):
            self._keys[index][:, slot] = fresh[2 * index]
            self._values[index][:, slot] = fresh[2 * index + 1]
        self._bias[slot] = 0.0

    def _gumbel(self, *shape: int) -> npt.NDArray[np.float32]:
        waits = self._random.standard_exponential(shape, np.float32)
        noise: npt.NDArray[np.float32] = -np.log(np.maximum(waits, np.float32(1e-20)))
        return noise
