"""Embeddings of sentences, to be judged: a package that ships weights, or an Ollama model's."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipelines.errors import LabError

OLLAMA = "ollama:"
"""Prefix of a model of an Ollama server."""
TIMEOUT_S = 5.0
"""Longest wait for an Ollama server, s."""
Vectors = NDArray[np.float32]
"""(n, dim) float32, each of length 1; of a sentence without any known word, 0."""


class Embedder(Protocol):
    """Makes vectors of sentences; from any thread."""

    @property
    def name(self) -> str:
        """As in the options: vectors of two names can't be compared."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """The vectors of some sentences.

        Raises:
            LabError: it can't; one sentence.
        """


def embedder(name: str, ollama_url: str = "") -> Embedder:
    """The embedder that the options name.

    Raises:
        LabError: it is unknown, or its package or server is not there.
    """
    if name == "wordllama":
        return WordLlama()
    if name.startswith(OLLAMA):
        found = Ollama(name, ollama_url)
        found.embed(["is it there?"])
        return found
    raise LabError(f"--vectors {name}: there are wordllama and {OLLAMA}MODEL")


class WordLlama:
    """The static embeddings (256 dimensions) that the package wordllama ships in its wheel."""

    name = "wordllama"

    def __init__(self) -> None:
        """Loads them.

        Raises:
            LabError: the package is not installed, or lacks its files.
        """
        try:
            import wordllama
            from safetensors import safe_open
            from tokenizers import Tokenizer
        except ModuleNotFoundError as error:
            raise LabError(
                f"--vectors wordllama needs the package {error.name!r}: pip install wordllama"
            ) from None
        # Not by its own loader: that looks for the tokenizer in another folder, and on the hub.
        root = Path(wordllama.__file__).parent
        weights = root / "weights" / "l2_supercat_256.safetensors"
        words = root / "tokenizers" / "l2_supercat_tokenizer_config.json"
        for file in (weights, words):
            if not file.is_file():
                raise LabError(f"the package wordllama lacks its file {file.name}")
        with safe_open(str(weights), framework="np") as tensors:
            self._table: Vectors = tensors.get_tensor("embedding.weight").astype(np.float32)
        self._tokenizer: Any = Tokenizer.from_file(str(words))
        self._tokenizer.no_padding()

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed`: the mean of the tokens' vectors."""
        found = self._tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return unit(np.stack([self._mean(one.ids) for one in found]))

    def _mean(self, ids: Sequence[int]) -> NDArray[np.float32]:
        known = [i for i in ids if i < len(self._table)]
        if not known:
            return np.zeros(self._table.shape[1], np.float32)
        mean: NDArray[np.float32] = self._table[known].mean(axis=0)
        return mean


class Ollama:
    """A model of an Ollama server, by ``POST /api/embed``.

    Args:
        name: ``ollama:MODEL``.
        url: Address of the server.
        post: Sends a body and returns the answer's; for tests.
    """

    def __init__(
        self, name: str, url: str, post: Callable[[str, bytes], bytes] | None = None
    ) -> None:
        self.name = name
        self._url = f"{url.rstrip('/')}/api/embed"
        self._post = post or _post

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder.embed`."""
        body = {"model": self.name.removeprefix(OLLAMA), "input": list(texts)}
        try:
            answer = json.loads(self._post(self._url, json.dumps(body).encode()))
            vectors = np.asarray(answer["embeddings"], np.float32)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LabError(
                f"{self.name}: the Ollama server at {self._url} made no embeddings "
                f"({type(error).__name__}): is it running, and was 'ollama pull' done?"
            ) from None
        if vectors.ndim != 2 or len(vectors) != len(texts):
            raise LabError(f"{self.name}: the Ollama server at {self._url} sent no vectors")
        return unit(vectors)


def unit(vectors: Vectors) -> Vectors:
    """The vectors, each of length 1."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    found: Vectors = (vectors / np.where(length > 0, length, 1)).astype(np.float32)
    return found


def _post(url: str, body: bytes) -> bytes:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
        read: bytes = answer.read()
        return read
