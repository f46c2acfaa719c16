"""A tiny model's right answers, kept beside its weights for tests where there is no torch.

The logits of the whole model over all frames at once, given what a session of the exported graph
said: the product's tests hold the stream against them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from pipelines.duplex.nano.lm import NanoLm
from training.nano_duplex.lm import BOS, Lm

FRAMES = 30
NAME = "reference.npz"


@torch.no_grad()
def offline(
    lm: Lm, vectors: np.ndarray, said: np.ndarray, codes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Logits of all frames at once.

    Args:
        lm: The model.
        vectors: (frames, vector).
        said: (frames,) the text tokens.
        codes: (frames, books), books 1… one frame late.

    Returns:
        (frames, words) and (frames, books, codes); in frame 0 only book 0's mean anything.
    """
    text, told = torch.from_numpy(said), torch.from_numpy(codes)
    before = torch.cat((torch.tensor([BOS]), text[:-1]))
    past = torch.cat((torch.full((1, lm.sizes.books), lm.none), told[:-1]))
    z = lm.temporal(lm.embed(torch.from_numpy(vectors), before, past)[None])[0][0]
    return lm.text_out(z).numpy(), lm.book_logits(z, text, told.clamp(max=lm.none - 1)).numpy()


def compare(lm: Lm, folder: Path, *, keep: bool = False) -> float:
    """The graph in the folder against the model that it was made of.

    Args:
        lm: The model, its weights rounded as the graph stores them.
        folder: With its graph.
        keep: Write the reference beside it.

    Returns:
        The largest difference of a logit between the stream and all frames at once.
    """
    vectors = np.random.default_rng(0).standard_normal((FRAMES, lm.sizes.vector), np.float32)
    session = NanoLm(folder).open(seed=0)
    said, codes, texts, books = [], [], [], []
    for vector in vectors:
        token, _, text_logits, code_logits = session.step_with_logits(vector)
        said.append(token)
        codes.append(session.codes.copy())
        texts.append(text_logits)
        books.append(code_logits)
    all_said, all_codes = np.array(said), np.stack(codes)
    text_logits, code_logits = offline(lm, vectors, all_said, all_codes)
    if keep:
        np.savez_compressed(
            folder / NAME,
            vectors=vectors,
            said=all_said,
            codes=all_codes,
            text_logits=text_logits,
            code_logits=code_logits,
        )
    far = np.abs(np.stack(texts) - text_logits).max()
    return float(max(far, np.abs(np.stack(books) - code_logits)[1:].max()))
