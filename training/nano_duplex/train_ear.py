"""Trains the ear: words by CTC through a small causal transformer, phones by its own vectors.

    python -m training.nano_duplex.train_ear --data build/nano/data --minutes 60

It begins with the encoder of a trained codec, resumes from its last checkpoint, and says after
every pass what of held-out sentences is read wrongly, in training voices and in held-out ones.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from pipelines.duplex.nano.ear import words_told
from pipelines.duplex.nano.sound import FLOOR, HOP, MEL_WINDOW, MELS, RATE_HZ
from training.nano_duplex.checkpoint import adamw, keep
from training.nano_duplex.codec import Carry, Sound
from training.nano_duplex.codec_data import UNKNOWN
from training.nano_duplex.ear import Ear, warped_filters
from training.nano_duplex.ear_data import Batch, Utterances, single, turns
from training.nano_duplex.judge_ear import table
from training.nano_duplex.stopwatch import Stopwatch

RATE = 1.5e-3
WARM_UP = 100
SAVE_EVERY_S = 120.0
LOOK_EVERY = 500
"""Steps between two looks at held-out sentences."""
COLOUR, KNOTS = 0.7, 8
"""Of the log-mel bands: how much a random curve through so many points lifts or lowers them."""
VECTOR_NOISE = 0.1
"""Of a vector's spread: the language model hears them with as much."""


class Hearing(nn.Module):
    """Sound → log-mel, through filters that are warped in training."""

    def __init__(self) -> None:
        super().__init__()
        self.sound = Sound()

    def forward(self, batch: Batch, rng: np.random.Generator | None) -> Tensor:
        """(B, n · 240) → (B, n, 80)."""
        pcm = batch.pcm
        if rng is None:
            return self.sound.log_mel(pcm)
        filters = warped_filters(batch.stretch, batch.bend)
        pieces = F.pad(pcm, (MEL_WINDOW - HOP, 0)).unfold(1, MEL_WINDOW, HOP)
        spectra = torch.fft.rfft(pieces * self.sound.ear)
        magnitude = (spectra.real.square() + spectra.imag.square()).sqrt()
        mel = torch.log(torch.clamp(magnitude @ filters, min=FLOOR))
        mel = mel + torch.from_numpy(coloured(len(mel), rng))[:, None]
        for row in range(len(mel)):
            for _ in range(2):
                if rng.random() < 0.5:
                    width, at = int(rng.integers(1, 10)), int(rng.integers(0, 72))
                    mel[row, :, at : at + width] = mel[row].mean()
        return mel


def coloured(rows: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """(rows, 80) what is added to each log-mel band: other throats, other microphones; some 0."""
    knots = rng.standard_normal((rows, KNOTS)) * COLOUR * (rng.random((rows, 1)) < 0.7)
    at = np.linspace(0, KNOTS - 1, MELS)
    low = np.minimum(at.astype(int), KNOTS - 2)
    curves = knots[:, low] + (at - low) * (knots[:, low + 1] - knots[:, low])
    return curves.astype(np.float32)


def losses(
    ear: Ear, hearing: Hearing, batch: Batch, rng: np.random.Generator | None
) -> dict[str, Tensor]:
    """CTC of the words, cross-entropy of the phones."""
    vectors = ear.vectors(hearing(batch, rng), Carry())
    phones = ear.phones(vectors).flatten(0, 1)
    asked = batch.phones.flatten()
    phones = phones.reshape(len(asked), -1)
    vectors = ear.reader.level(vectors)
    if rng is not None:
        vectors = vectors + VECTOR_NOISE * torch.randn_like(vectors)
        gaps = torch.from_numpy(rng.random(vectors.shape[:2]) < 0.02)
        vectors = vectors.masked_fill(gaps[..., None], 0.0)
    told = ear.reader.read(vectors, Carry())
    counts = torch.tensor([len(w) for w in batch.words])
    ctc = F.ctc_loss(
        told.transpose(0, 1), torch.cat(batch.words), batch.frames, counts,
        reduction="sum", zero_infinity=True,
    ) / counts.sum().clamp(min=1)  # fmt: skip
    known = asked != UNKNOWN
    heard = F.cross_entropy(phones[known], asked[known]) if known.any() else ctc.new_zeros(())
    right = (phones[known].argmax(-1) == asked[known]).float().mean() if known.any() else heard
    return {"ctc": ctc, "phones": heard, "right": right}


@torch.no_grad()
def read(ear: Ear, hearing: Hearing, said: Utterances, vocabulary: list[str]) -> list[str]:
    """The likeliest words of each utterance, frame by frame."""
    ear.eval()
    found = []
    for index in range(len(said.spoken)):
        told = ear(hearing(said.batch([index], None), None), Carry())[0].numpy()
        found.append(" ".join(words_told(told, vocabulary)))
    ear.train()
    return found


class Training:
    """Model, optimiser and data of one run."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        torch.manual_seed(args.seed)
        torch.set_num_threads(args.threads)
        self.phones = len((args.data / "phones.txt").read_text(encoding="utf-8").split())
        spoken = list(single(args.data / "codec" / "train"))
        spoken += list(turns(args.data / "dialogues" / "train"))
        self.vocabulary = sorted({w for s in spoken for w in s.words})
        if args.begin:  # its words are in its weights; others it can't be told
            held = torch.load(args.begin, weights_only=True, map_location="cpu")
            self.vocabulary = list(held["vocabulary"])
        self.data = Utterances(spoken, self.vocabulary)
        self.tests = {
            split: Utterances(list(single(args.data / "codec" / split)), self.vocabulary)
            for split in ("valid", "heldout")
        }
        self.before = (0, 0.0)
        """Steps and seconds of the training that it was begun with."""
        self.ear, self.hearing = Ear(self.phones, len(self.vocabulary)), Hearing()
        if args.codec:
            state = torch.load(args.codec, weights_only=False, map_location="cpu")["codec"]
            held = {
                k.removeprefix("encoder."): v for k, v in state.items() if k.startswith("encoder.")
            }
            self.ear.encoder.load_state_dict(held)
        if args.begin:
            held = torch.load(args.begin, weights_only=True, map_location="cpu")
            self.ear.load_state_dict(held["ear"])
            self.before = _whole(held)
        self.optimiser = adamw(self.ear, args.rate, (0.9, 0.98), 0.02)
        self.step, self.seconds = 0, 0.0

    def done(self) -> float:
        """The share of the run that is over."""
        if self.args.steps:
            return self.step / self.args.steps
        return self.seconds / (60 * self.args.minutes)

    def save(self, path: Path) -> None:
        """Writes everything; the old file stays until then."""
        state: dict[str, Any] = {
            "ear": self.ear.state_dict(), "optimiser": self.optimiser.state_dict(),
            "step": self.step, "seconds": self.seconds, "phones": self.phones,
            "vocabulary": self.vocabulary, "seed": self.args.seed, "before": self.before,
        }  # fmt: skip
        keep(path, state)

    def load(self, path: Path) -> None:
        """Goes on from a checkpoint."""
        state = torch.load(path, weights_only=False)
        self.ear.load_state_dict(state["ear"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.before = state.get("before", self.before)

    def look(self, most: int | None = None) -> dict[str, dict[str, float]]:
        """Words read wrongly, of each split."""
        found = {}
        for split, said in self.tests.items():
            few = said
            if most is not None:
                few = Utterances(said.spoken[:most], self.vocabulary)
            told = read(self.ear, self.hearing, few, self.vocabulary)
            found[split] = table([(s.voice, " ".join(s.words)) for s in few.spoken], told)
        return found


def _whole(state: dict[str, Any]) -> tuple[int, float]:
    """Steps and seconds of a checkpoint, with those of the training that it was begun with."""
    steps, seconds = state.get("before", (0, 0.0))
    return steps + state["step"], seconds + state["seconds"]


def read_checkpoint(path: Path) -> tuple[Ear, list[str], dict[str, Any]]:
    """The ear of a checkpoint, its words, and what ``nano.json`` says of its training."""
    state = torch.load(path, weights_only=True, map_location="cpu")
    ear = Ear(state["phones"], len(state["vocabulary"]))
    ear.load_state_dict(state["ear"])
    steps, seconds = _whole(state)
    minutes = round(seconds / 60, 2)
    told = {"steps": steps, "seed": state["seed"], "minutes": minutes}
    return ear.eval(), state["vocabulary"], told


def run(args: argparse.Namespace) -> None:
    """Trains until the minutes or the steps are used up."""
    args.out.mkdir(parents=True, exist_ok=True)
    training, latest = Training(args), args.out / "ear.pt"
    if latest.exists():
        training.load(latest)
        print(f"goes on from step {training.step}", flush=True)
    number, words = len(training.data.spoken), len(training.vocabulary)
    hours = sum(len(s.pcm) for s in training.data.spoken) / RATE_HZ / 3600
    print(f"{number} utterances, {hours:.1f} h, {words} words", flush=True)
    watch, saved = Stopwatch(training.seconds), time.monotonic()
    order: list[list[int]] = []
    means: dict[str, float] = {}
    while (done := training.done()) < 1:
        rng = np.random.default_rng((args.seed, training.step))
        if not order:
            order = training.data.batches(args.frames, rng)
        batch = training.data.batch(order.pop(), rng)
        warm = min(1.0, (training.step + 1) / WARM_UP)
        rate = args.rate * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
        for group in training.optimiser.param_groups:
            group["lr"] = rate
        parts = losses(training.ear, training.hearing, batch, rng)
        training.optimiser.zero_grad(set_to_none=True)
        (parts["ctc"] + 0.5 * parts["phones"]).backward()
        nn.utils.clip_grad_norm_(training.ear.parameters(), 1.0)
        training.optimiser.step()
        training.step += 1
        training.seconds = watch.lap()
        for name, part in parts.items():
            if math.isfinite(value := float(part.detach())):
                means[name] = 0.95 * means.get(name, value) + 0.05 * value
        if training.step % 50 == 0:
            figures = " ".join(f"{name} {value:.3f}" for name, value in means.items())
            at = f"step {training.step} {training.seconds / 60:.1f} min ({done:.0%})"
            print(f"{at} lr {rate:.1e} {figures}", flush=True)
        if training.step % LOOK_EVERY == 0:
            print(json.dumps(training.look(most=80)), flush=True)
            watch.lap()
        if time.monotonic() - saved > SAVE_EVERY_S:
            training.save(latest)
            saved = time.monotonic()
    training.save(latest)
    found = training.look()
    print(json.dumps(found), flush=True)
    (args.out / "ear.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def main(argv: list[str] | None = None) -> None:
    """Command line; without ``--steps``, time decides."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("build/nano/data"))
    parser.add_argument("--out", type=Path, default=Path("build/nano/ear"))
    parser.add_argument("--codec", type=Path, help="checkpoint whose encoder it begins with")
    parser.add_argument("--begin", type=Path, help="an ear's checkpoint, to be trained further")
    parser.add_argument("--rate", type=float, default=RATE, help="of learning, at its height")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--steps", type=int, default=0, help="instead of minutes: reproducible")
    parser.add_argument("--frames", type=int, default=600, help="of a batch: 80 ms each")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    run(parser.parse_args(argv))


if __name__ == "__main__":
    main()
