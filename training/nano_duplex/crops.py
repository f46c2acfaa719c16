"""Batches of crops: which, and how the agent's own past is spoilt, follows from (seed, step) alone.

So a training that is begun again goes on with the batch that it would have seen.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from pipelines.duplex.nano.ear import VECTOR
from training.nano_duplex.lm import BOS, PAD, delayed
from training.nano_duplex.tokens import Encoded

WHOLE = 0.5
"""Share of the crops that begin where the dialogue does, as every conversation of the product."""
BEFORE_SPEECH = 12
"""Frames, at most, before an answer of the agent, where a crop for its voice begins."""
STRETCH = 12
"""Frames, at most, of its past that are spoilt in a row."""
USER_NOISE = 0.1
"""Of a vector's spread: voices that were never heard are near those that were."""


@dataclass(frozen=True, slots=True)
class Crops:
    """Some crops of equal length."""

    vectors: Tensor
    """(batch, frames, width) float32."""
    text: Tensor
    """(batch, frames) to be told; -1 past a dialogue's end."""
    asked: Tensor
    """(batch, frames) bool: the text is learned; not that of answers to what was cut away."""
    text_before: Tensor
    """(batch, frames) the token of the frame before."""
    codes: Tensor
    """(batch, frames, books) to be told, `delayed`; "none yet" where nothing is."""
    codes_before: Tensor
    """(batch, frames, books) of the frame before, perhaps spoilt."""
    speaking: Tensor
    """(batch, frames) bool."""
    words: Tensor
    """(sum of counts,) the user's words, in order."""
    counts: Tensor
    """(batch,) how many of each crop."""

    def to(self, device: str) -> Crops:
        """The same where the model is."""
        return Crops(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})


def spread_of(dialogues: list[Encoded]) -> tuple[Tensor, Tensor]:
    """(width,) mean and (width,) standard deviation of the user's vectors.

    What the ear reads, behind them, is taken as it is: 0 and 1.
    """
    some = np.concatenate([d.vectors[:] for d in dialogues[:: max(1, len(dialogues) // 200)]])
    sound = some[:, :VECTOR].astype(np.float32)
    mean, spread = np.zeros(some.shape[1], np.float32), np.ones(some.shape[1], np.float32)
    mean[:VECTOR], spread[:VECTOR] = sound.mean(0), sound.std(0)
    return torch.from_numpy(mean), torch.from_numpy(spread)


def cut(
    dialogues: list[Encoded],
    rows: int,
    frames: int,
    rng: np.random.Generator,
    none: int,
    at_speech: bool = False,
) -> Crops:
    """Random crops, as they are; ``at_speech``: each begins shortly before the agent speaks."""
    books = dialogues[0].codes.shape[1]
    vectors = np.zeros((rows, frames, dialogues[0].vectors.shape[1]), np.float32)
    text = np.full((rows, frames), -1, np.int64)
    asked = np.zeros((rows, frames), bool)
    before = np.full((rows, frames), PAD, np.int64)
    codes = np.full((rows, frames + 2, books), none, np.int64)  # two frames before, too
    speaking = np.zeros((rows, frames), bool)
    words, counts = [], []
    for row in range(rows):
        d = dialogues[rng.integers(len(dialogues))]
        spare = len(d) - frames
        start = 0 if spare <= 0 or rng.random() < WHOLE else int(rng.integers(spare + 1))
        if at_speech:
            start = _before_an_answer(d, rng)
        end = min(len(d), start + frames)
        n = end - start
        vectors[row, :n] = d.vectors[start:end]
        text[row, :n] = d.text[start:end]
        asked[row, _deaf_until(d, start) : n] = True
        before[row, 0] = d.text[start - 1] if start else BOS
        before[row, 1:n] = d.text[start : end - 1]
        earlier = min(2, start)
        codes[row, 2 - earlier : n + 2] = d.codes[start - earlier : end]
        speaking[row, :n] = d.speaking[start:end]
        heard = (d.ends >= start + 2) & (d.ends < end - 3) & (d.words > 0)
        words.append(d.words[heard].astype(np.int64))
        counts.append(int(heard.sum()))
    late = delayed(torch.from_numpy(codes), none)
    return Crops(
        torch.from_numpy(vectors),
        torch.from_numpy(text),
        torch.from_numpy(asked),
        torch.from_numpy(before),
        late[:, 2:],
        late[:, 1:-1],
        torch.from_numpy(speaking),
        torch.from_numpy(np.concatenate(words)),
        torch.tensor(counts),
    )


def _before_an_answer(dialogue: Encoded, rng: np.random.Generator) -> int:
    begins = [turn["agent_frames"][0] for turn in dialogue.turns if turn["agent_frames"]]
    if not begins:
        return int(rng.integers(len(dialogue)))
    return max(0, int(rng.choice(begins)) - int(rng.integers(1, BEFORE_SPEECH + 1)))


def _deaf_until(dialogue: Encoded, start: int) -> int:
    """Frames of a crop up to the end of the answers to what was said, wholly or partly, before it.

    Learning these would be learning to answer what nobody has heard.
    """
    ends = [
        turn["agent_frames"][1]
        for turn in dialogue.turns
        if turn["agent_frames"] and turn["user_frames"][0] < start
    ]
    return max([start, *ends]) - start


def spoil(crops: Crops, rate: float, rng: np.random.Generator, none: int) -> Tensor:
    """The agent's past with some codes taken from elsewhere: what it will say itself has errors.

    Args:
        crops: Their ``codes_before`` are not changed.
        rate: Share of the single codes that are lost to another frame's, and about so many of the
            frames, all books together, in stretches of 1 to `STRETCH` frames that follow each other
            elsewhere, too: else a model that once babbles hears itself speak, and goes on.
        rng: Decides.
        none: "None yet" stays.

    Returns:
        (batch, frames, books).
    """
    true = crops.codes_before
    if rate <= 0:
        return true
    rows, frames, books = true.shape
    flat = true.reshape(-1, books)
    other = flat[torch.from_numpy(rng.integers(len(flat), size=len(flat)))].reshape(true.shape)
    swap = torch.from_numpy(rng.random((rows, frames, books)) < rate)
    longest = min(STRETCH, frames)
    for _ in range(round(rate * rows * frames / ((1 + longest) / 2))):
        long = int(rng.integers(1, longest + 1))
        row, source = rng.integers(rows, size=2)
        at, begin = rng.integers(frames - long + 1, size=2)
        other[row, at : at + long] = true[source, begin : begin + long]
        swap[row, at : at + long] = True
    swap &= (true != none) & (other != none)
    return torch.where(swap, other, true)


def noisy(vectors: Tensor, spread: Tensor, rng: np.random.Generator) -> Tensor:
    """The user's vectors with a little noise; what was read is left as it is."""
    sound, read = vectors[..., :VECTOR], vectors[..., VECTOR:]
    noise = torch.from_numpy(rng.standard_normal(sound.shape, np.float32))
    return torch.cat((sound + USER_NOISE * spread[:VECTOR] * noise, read), -1)
