"""The text stream of a duplex model: its tokens as text, and texts as tokens to be forced."""

from __future__ import annotations

import codecs
from collections import deque
from pathlib import Path
from typing import Any

from pipelines.weights.error import WeightsError
from pipelines.weights.sizes import EPAD_ID, PAD_ID


class Vocabulary:
    """A sentencepiece model; needs the package sentencepiece."""

    def __init__(self, path: Path, card: int) -> None:
        """Loads it.

        Raises:
            WeightsError: the file is missing or not a tokenizer, or has more tokens than the model.
        """
        import sentencepiece

        self._model: Any = sentencepiece.SentencePieceProcessor()
        try:
            self._model.Load(str(path))
        except (OSError, RuntimeError) as error:
            raise WeightsError(
                f"{path} is not a sentencepiece tokenizer, or can't be read: "
                "restore or fetch it again"
            ) from error
        if self._model.vocab_size() > card:
            raise WeightsError(
                f"{path} has {self._model.vocab_size()} tokens and the model {card}: "
                "take the tokenizer that belongs to the weights"
            )

    def encode(self, text: str) -> list[int]:
        """The tokens of a text."""
        return [int(token) for token in self._model.encode(text)]

    def piece(self, token: int) -> bytes:
        """A token's text in UTF-8; empty for padding and for tokens that are never said."""
        model = self._model
        if token in (PAD_ID, EPAD_ID) or not 0 <= token < model.vocab_size():
            return b""
        if model.is_control(token) or model.is_unused(token) or model.is_unknown(token):
            return b""
        piece: str = model.id_to_piece(token)
        if model.is_byte(token):  # written <0x2C>
            return bytes([int(piece[3:5], 16)])
        return piece.replace("▁", " ").encode()


class TextStream:
    """One session's text: the output, and the queue of tokens to be forced."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._queued: deque[int] = deque()

    def queue(self, text: str) -> None:
        """Queues a text's tokens; one is forced in each frame."""
        self._queued.extend(self._vocabulary.encode(text))

    def take(self) -> int | None:
        """The token to force in this frame, if any."""
        return self._queued.popleft() if self._queued else None

    def text(self, token: int) -> str:
        """The text that a token completes: a letter may be spread over several tokens."""
        return self._decoder.decode(self._vocabulary.piece(token))
