"""The word probe: can what the ear hands to the language model be read, in voices never heard?

A small causal transformer is trained by CTC on the ear's frozen vectors of training voices, for
a few minutes, and reads held-out sentences in training voices and in held-out ones. It stands for
the language model's ear; gate 1 allows 10 % word errors on held-out voices.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from pipelines.duplex.nano_ear import VECTOR, NanoEar
from pipelines.duplex.nano_sound import FRAME, HOP, Floats
from pipelines.duplex.nano_weights import PACKAGED
from training.nano_duplex.codec import HOPS, PLACES
from training.nano_duplex.codec_shards import USER, read_shards
from training.nano_duplex.stopwatch import Stopwatch

PERCENT = 10.0
LOOK_BACK = 40
"""Frames that a layer of the probe sees: 3.2 s."""
_PHONES = 42
_RATE = 1.5e-3
_TAIL = 4
"""Frames of silence after an utterance, in which the last word may still be told."""


@dataclass(frozen=True)
class Heard:
    """One utterance as the language model would get it."""

    text: str
    voice: str
    """Synthesiser and base, e.g. ``flite.slt``."""
    vectors: Floats
    """(frames, 96)."""
    phones: npt.NDArray[np.int64]
    """(frames, 2): those of the middles of its halves; 0 is unknown."""


class Layer(nn.Module):
    """Attention to the last frames, with a learnt bias for each distance; then a feed-forward."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.mix, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.grow, self.shrink = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.bias = nn.Parameter(torch.zeros(heads, LOOK_BACK))

    def forward(self, x: Tensor, back: Tensor) -> Tensor:
        """``back``: (T, T) how many frames column lies before row."""
        batch, length, width = x.shape
        q, k, v = (
            part.view(batch, length, self.heads, -1).transpose(1, 2)
            for part in self.mix(self.before(x)).chunk(3, -1)
        )
        seen = (back >= 0) & (back < LOOK_BACK)
        bias = self.bias[:, back.clamp(0, LOOK_BACK - 1)].masked_fill(~seen, -1e9)
        mixed = F.scaled_dot_product_attention(q, k, v, bias.expand(batch, -1, -1, -1))
        x = x + F.dropout(
            self.out(mixed.transpose(1, 2).reshape(batch, length, width)), 0.1, self.training
        )
        return x + F.dropout(self.shrink(F.gelu(self.grow(self.between(x)))), 0.1, self.training)


class Probe(nn.Module):
    """Vectors (B, T, 96) → log-probabilities of words (B, T, words + 1); 0 is CTC's blank."""

    def __init__(self, words: int, width: int = 224, layers: int = 4) -> None:
        super().__init__()
        self.enter = nn.Linear(VECTOR, width)
        self.layers = nn.ModuleList(Layer(width, 4) for _ in range(layers))
        self.norm, self.leave = nn.LayerNorm(width), nn.Linear(width, words + 1)
        self.phones = nn.Linear(width, len(PLACES) * _PHONES)

    def forward(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """Words, and phones half-way up (B, T, 2, phones); a frame depends on no later frame."""
        x, at = self.enter(vectors), torch.arange(vectors.shape[1])
        back = at[:, None] - at[None]
        phones = x
        for place, layer in enumerate(self.layers):
            x = layer(x, back)
            phones = x if place == 1 else phones
        told = self.phones(phones).unflatten(-1, (len(PLACES), _PHONES))
        return F.log_softmax(self.leave(self.norm(x)), -1), told


def gather(ear: NanoEar, folder: Path, seed: int, minutes: float = 1e9) -> list[Heard]:
    """The users' utterances of a split, a little noise with them, as the ear hears them."""
    random, found, frames = np.random.default_rng(seed), [], 0
    for said in read_shards(folder):
        if said.role != USER or frames >= 750 * minutes:
            continue
        lead = int(random.integers(FRAME))  # any place on the frame grid
        sound = random.standard_normal(len(said.pcm) + (1 + _TAIL) * FRAME, np.float32)
        sound *= np.float32(10 ** random.uniform(-80 / 20, -55 / 20))
        sound[lead : lead + len(said.pcm)] += said.pcm / np.float32(32768)
        vectors = ear.hear(sound)
        asked = np.arange(len(vectors))[:, None] * HOPS + np.array(PLACES)
        hops = asked - round(lead / HOP)
        inside = (hops >= 0) & (hops < len(said.phones))
        phones = np.where(inside, said.phones[np.clip(hops, 0, len(said.phones) - 1)], 0)
        found.append(Heard(said.text, said.speaker, vectors, phones.astype(np.int64)))
        frames += len(vectors)
    return found


class Reader:
    """A probe with its words."""

    def __init__(self, vocabulary: list[str], seed: int) -> None:
        torch.manual_seed(seed)
        self.vocabulary = vocabulary
        self.ids = {word: place + 1 for place, word in enumerate(vocabulary)}
        self.probe = Probe(len(vocabulary))
        self._mean = self._spread = np.zeros(VECTOR, np.float32)

    def train(self, heard: list[Heard], minutes: float, seed: int, batch_frames: int = 1200) -> int:
        """Trains for so many minutes; returns the steps."""
        some = np.concatenate([h.vectors for h in heard[:300]])
        self._mean, self._spread = some.mean(0), some.std(0) + np.float32(1e-3)
        optimiser = torch.optim.AdamW(self.probe.parameters(), lr=_RATE, weight_decay=0.05)
        rng, steps, watch = random.Random(seed), 0, Stopwatch()
        self.probe.train()
        order: list[list[int]] = []
        while (done := watch.lap() / (60 * minutes)) < 1:
            if not order:
                order = _batches([len(h.vectors) for h in heard], batch_frames, rng)
            chosen = [heard[i] for i in order.pop()]
            vectors, lengths, targets = self._stack(chosen)
            phones = torch.zeros(*vectors.shape[:2], len(PLACES), dtype=torch.long)
            for row, one in zip(phones, chosen, strict=True):
                row[: len(one.phones)] = torch.from_numpy(one.phones)
            vectors = vectors + 0.2 * torch.randn_like(vectors)
            gaps = torch.rand(vectors.shape[:2]) < 0.03
            vectors = vectors.masked_fill(gaps[..., None], 0.0)
            rate = _RATE * min(1, (steps + 1) / 100) * (1 - 0.95 * done)
            for group in optimiser.param_groups:
                group["lr"] = rate
            told, sounded = self.probe(vectors)
            sizes = torch.tensor([len(t) for t in targets])
            loss = F.ctc_loss(
                told.transpose(0, 1), torch.cat(targets), lengths, sizes, zero_infinity=True
            )
            # CTC alone takes long to find out that words are made of sounds.
            aid = F.cross_entropy(sounded.flatten(0, -2), phones.flatten(), ignore_index=0)
            optimiser.zero_grad(set_to_none=True)
            (loss + 0.5 * aid).backward()
            nn.utils.clip_grad_norm_(self.probe.parameters(), 1.0)
            optimiser.step()
            steps += 1
            if steps % 100 == 0:
                figures = f"loss {loss.item():.3f} phones {aid.item():.3f}"
                print(f"probe step {steps} ({done:.0%}) {figures}", flush=True)
        return steps

    @torch.no_grad()
    def read(self, heard: list[Heard]) -> list[str]:
        """The likeliest words, frame by frame."""
        self.probe.eval()
        found = []
        for one in heard:
            best = self.probe(self._stack([one])[0])[0][0].argmax(-1)
            ids = torch.unique_consecutive(best).tolist()
            found.append(" ".join(self.vocabulary[i - 1] for i in ids if i))
        return found

    def _stack(self, heard: list[Heard]) -> tuple[Tensor, Tensor, list[Tensor]]:
        lengths = torch.tensor([len(h.vectors) for h in heard])
        stacked = torch.zeros(len(heard), int(lengths.max()), VECTOR)
        for row, one in zip(stacked, heard, strict=True):
            row[: len(one.vectors)] = torch.from_numpy((one.vectors - self._mean) / self._spread)
        return stacked, lengths, [
            torch.tensor([self.ids[w] for w in h.text.split() if w in self.ids]) for h in heard
        ]  # fmt: skip


def _batches(lengths: list[int], frames: int, rng: random.Random) -> list[list[int]]:
    """All indices in batches of like length, shuffled."""
    order = sorted(range(len(lengths)), key=lambda i: lengths[i] + 6 * rng.random())
    made: list[list[int]] = [[]]
    for index in order:
        if made[-1] and lengths[index] * (len(made[-1]) + 1) > frames:
            made.append([])
        made[-1].append(index)
    rng.shuffle(made)
    return made


def errors(wanted: str, read: str) -> int:
    """Substituted, inserted and deleted words."""
    one, two = wanted.split(), read.split()
    row = list(range(len(two) + 1))
    for i, a in enumerate(one, 1):
        left, row[0] = row[0], i
        for j, b in enumerate(two, 1):
            left, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, left + (a != b))
    return row[-1]


def table(heard: list[Heard], read: list[str]) -> dict[str, float]:
    """Percent of words wrong, of each voice and of ``all``."""
    wrong, said = defaultdict(int), defaultdict(int)
    for one, text in zip(heard, read, strict=True):
        for key in (one.voice, one.voice.split(".")[0], "all"):
            wrong[key] += errors(one.text, text)
            said[key] += len(one.text.split())
    return {key: round(100 * wrong[key] / said[key], 2) for key in sorted(said)}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=PACKAGED)
    parser.add_argument("--data", type=Path, default=Path("build/nano/data/codec"))
    parser.add_argument("--hours", type=float, default=5.0, help="of users' speech to train on")
    parser.add_argument("--minutes", type=float, default=5.0, help="of training")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, default=Path("build/nano"))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    ear = NanoEar(args.weights)
    heard = gather(ear, args.data / "train", args.seed, 60 * args.hours)
    print(f"{len(heard)} utterances in {len({h.voice for h in heard})} voices", flush=True)
    reader = Reader(sorted({w for h in heard for w in h.text.split()}), args.seed)
    found: dict[str, object] = {"words": len(reader.vocabulary), "utterances": len(heard)}
    found["steps"] = reader.train(heard, args.minutes, args.seed)
    for split in ("valid", "heldout"):
        test = gather(ear, args.data / split, args.seed)
        found[split] = table(test, reader.read(test))
        print(split, json.dumps(found[split]), flush=True)
    found["passed"] = found["heldout"]["all"] <= PERCENT  # type: ignore[index]
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "ear_user.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
