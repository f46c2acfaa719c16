"""A sentencepiece tokenizer trained on our own corpus, in the form of Moshi's."""

from __future__ import annotations

import io
import string
from pathlib import Path

from pipelines.weights.sizes import PAD_ID

CORPUS = Path(__file__).parent.parent / "models" / "creature" / "user_sentences.txt"
_UNUSED = 5
"""``SentencePiece.Type.UNUSED`` of sentencepiece's model format."""


def train(card: int) -> tuple[bytes, int]:
    """Trains as large a vocabulary as the text allows, padded with unused pieces.

    Args:
        card: Number of pieces, as ``text_card`` of the model.

    Returns:
        The file's bytes, and the number of pieces with a text.
    """
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS.read_text(encoding="utf-8").splitlines()),
        model_writer=model,
        model_type="unigram",
        vocab_size=card,
        hard_vocab_limit=False,  # pieces that the text lacks are not invented
        character_coverage=1.0,
        required_chars=".,!?'-:;0123456789" + string.ascii_letters,
        byte_fallback=True,  # any text can be forced
        unk_id=0,
        bos_id=1,
        eos_id=2,
        pad_id=PAD_ID,
        num_threads=1,
        minloglevel=2,
    )
    data = model.getvalue()
    pieces = sentencepiece.SentencePieceProcessor(model_proto=data).vocab_size()
    return data + b"".join(_unused(i) for i in range(pieces, card)), pieces


def _unused(number: int) -> bytes:
    """One more entry of the model's list: a protobuf grows by appending to its bytes."""
    text = f"<unused{number}>".encode()
    entry = b"\x0a" + bytes([len(text)]) + text + b"\x15" + bytes(4) + b"\x18" + bytes([_UNUSED])
    return b"\x0a" + bytes([len(entry)]) + entry
