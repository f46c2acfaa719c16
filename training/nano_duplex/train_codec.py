"""Trains the codec: seeded, resumable, a checkpoint every two minutes.

Losses: L1 of log-mel spectra at four resolutions, .25 commitment, phone cross-entropy .15 on book
0 and .10 on the latent. No adversary: a small discriminator would double the time.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from pipelines.duplex.nano.sound import FLOOR, RATE_HZ, hann, mel_filters
from training.nano_duplex.checkpoint import adamw, keep
from training.nano_duplex.codec import BOOKS, DELAY, Carry, Codec, Sound
from training.nano_duplex.codec_data import UNKNOWN, Batch, Speech
from training.nano_duplex.codec_faults import periodicity
from training.nano_duplex.codec_shards import SILENCE
from training.nano_duplex.stopwatch import Stopwatch

RATE, WARM_UP = 2e-3, 100
SCALES = ((256, 40), (512, 64), (1024, 80), (2048, 80), (2048, 0))
"""Windows in samples and numbers of mel bands (0: all bins as they are, so that every harmonic of a
voice counts); hops are a quarter of a window."""
SAVE_EVERY_S = 120.0
CHECK_EVERY = 250
AGENT_SHARE = 0.4
"""Of crops: the agent's one voice is all that will ever be decoded for a listener."""


class _LogMel(torch.autograd.Function):
    """PCM → log-mel with a backward pass by one real inverse FFT: a third of autograd's time."""

    @staticmethod
    def forward(ctx: Any, pcm: Tensor, window: Tensor, filters: Tensor | None) -> Tensor:
        size = len(window)
        spectra = torch.fft.rfft(pcm.unfold(1, size, size // 4) * window)
        # abs() of complex numbers is ten times slower.
        magnitude = (spectra.real.square() + spectra.imag.square()).sqrt().clamp(min=1e-5)
        mel = magnitude if filters is None else magnitude @ filters
        ctx.save_for_backward(spectra, magnitude, mel, window, filters)
        # A single bin's valleys between harmonics are noise far sooner than a band is.
        ctx.samples, ctx.floor = pcm.shape[1], FLOOR if filters is not None else 10 * FLOOR
        return torch.log(mel.clamp(min=ctx.floor))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        spectra, magnitude, mel, window, filters = ctx.saved_tensors
        size, hop = len(window), len(window) // 4
        of_mel = torch.where(mel > ctx.floor, grads[0] / mel, 0.0)
        of_magnitude = of_mel if filters is None else of_mel @ filters.t()
        of_spectra = spectra * (of_magnitude / magnitude)
        # irfft doubles the bins between the first and the last and divides by the size.
        of_spectra[..., 1:-1] *= 0.5
        pieces = torch.fft.irfft(of_spectra, size) * (window * size)
        batch, number, _ = pieces.shape
        out = torch.zeros(batch, number + 3, hop)
        for place in range(4):
            out[:, place : place + number] += pieces[..., place * hop : (place + 1) * hop]
        return F.pad(out.view(batch, -1), (0, ctx.samples - out[0].numel())), None, None


class MelLoss(nn.Module):
    """Mean absolute difference of log-mel spectra, over all resolutions."""

    def __init__(self) -> None:
        super().__init__()
        for window, mels in SCALES:
            table = torch.from_numpy(mel_filters(window, mels)) if mels else None
            self.register_buffer(f"window_{window}", torch.from_numpy(hann(window)))
            self.register_buffer(f"filters_{window}_{mels}", table)

    def forward(self, made: Tensor, wanted: Tensor) -> Tensor:
        """(B, n) and (B, n) → scalar."""
        losses = []
        for window, mels in SCALES:
            shape, table = (
                getattr(self, f"window_{window}"),
                getattr(self, f"filters_{window}_{mels}"),
            )
            one, two = (_LogMel.apply(pcm, shape, table) for pcm in (made, wanted))
            losses.append((one - two).abs().mean())
        return torch.stack(losses).mean()


def losses(codec: Codec, sound: Sound, mel_loss: MelLoss, batch: Batch) -> dict[str, Tensor]:
    """All parts of one batch's loss, and ``phones_right``, a share of the phones in speech."""
    hidden = codec.encoder(sound.log_mel(batch.heard), Carry())
    kept = torch.full((len(batch.heard),), BOOKS - 1)
    if codec.training:  # half of the crops lose their finest books
        kept = torch.where(torch.rand(len(kept)) < 0.5, torch.randint_like(kept, BOOKS), kept)
    quantised = codec.quantiser(codec.narrow(hidden), kept, learn=codec.training)
    made = sound.wave(*codec.decoder(quantised.vectors, Carry()))
    meaning = quantised.vectors[..., : quantised.vectors.shape[-1] // 2]
    asked, wanted = batch.phones.flatten(), batch.wanted[:, :-DELAY]
    of_book = codec.phones_of_book(meaning).reshape(len(asked), -1)
    of_latent = codec.phones_of_latent(hidden).reshape(len(asked), -1)
    known = (asked != UNKNOWN) & (asked != SILENCE)
    return {
        "mel": mel_loss(made[:, DELAY:], wanted),
        "commitment": quantised.commitment,
        "book": F.cross_entropy(of_book, asked, ignore_index=UNKNOWN),
        "latent": F.cross_entropy(of_latent, asked, ignore_index=UNKNOWN),
        "phones_right": (of_book.argmax(-1) == asked)[known].float().mean(),
    }


def total(parts: dict[str, Tensor]) -> Tensor:
    """The recipe's weights."""
    return parts["mel"] + 0.25 * parts["commitment"] + 0.15 * parts["book"] + 0.10 * parts["latent"]


class Training:
    """Model, optimiser and data of one run, with all that a checkpoint must hold."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        torch.manual_seed(args.seed)
        torch.set_num_threads(args.threads)
        self.phones = len((args.data.parent / "phones.txt").read_text(encoding="utf-8").split())
        self.codec = Codec(self.phones)
        self.optimiser = adamw(self.codec, RATE, (0.9, 0.99), 0.01)
        self.speech = Speech(args.data / "train", args.seed)
        self.step, self.seconds, self.spoken_s = 0, 0.0, 0.0

    def done(self) -> float:
        """The share of the run that is over, by steps if they were given, else by time."""
        if self.args.steps:
            return self.step / self.args.steps
        return self.seconds / (60 * self.args.minutes)

    def save(self, path: Path) -> None:
        """Writes everything, so that the run goes on from here; the old file stays until then."""
        state = {
            "codec": self.codec.state_dict(), "optimiser": self.optimiser.state_dict(),
            "random": self.speech.random.bit_generator.state, "torch": torch.get_rng_state(),
            "step": self.step, "seconds": self.seconds, "spoken_s": self.spoken_s,
            "phones": self.phones, "seed": self.args.seed,
        }  # fmt: skip
        keep(path, state)

    def load(self, path: Path) -> None:
        """Goes on from a checkpoint."""
        state = torch.load(path, weights_only=False)
        self.codec.load_state_dict(state["codec"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.speech.random.bit_generator.state = state["random"]
        torch.set_rng_state(state["torch"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.spoken_s = state["spoken_s"]


def read_checkpoint(path: Path) -> tuple[Codec, dict[str, Any]]:
    """The codec of a checkpoint, and what ``nano.json`` says of its training."""
    state = torch.load(path, weights_only=False)
    codec = Codec(state["phones"])
    codec.load_state_dict(state["codec"])
    told = {"steps": state["step"], "seed": state["seed"], "minutes": state["seconds"] / 60}
    told["heard_hours"] = state["spoken_s"] / 3600
    told |= {key: state[key] for key in ("polish_steps", "polish_hours") if key in state}
    return codec.eval(), {k: round(v, 2) for k, v in told.items()}


@torch.no_grad()
def check(codec: Codec, speech: Speech, mel_loss: MelLoss, sound: Sound) -> str:
    """One line about sentences that were not trained on: losses, phones, periodicity."""
    codec.eval()
    speech.random = np.random.default_rng(1)
    told = []
    for name, share in (("user", 0.0), ("agent", 1.0)):
        batch = speech.batch(24, 25, share, rough=False)
        parts = losses(codec, sound, mel_loss, batch)
        codes, _ = codec.encode(sound.log_mel(batch.heard), Carry())
        made = sound.wave(*codec.decode(codes, Carry())).numpy()
        pairs = [
            periodicity(one, two)
            for one, two in zip(batch.wanted[:, :-DELAY].numpy(), made[:, DELAY:], strict=True)
        ]
        was, became = np.nanmean(np.array(pairs), axis=0)
        told.append(
            f"{name} mel {parts['mel']:.3f} phones {parts['phones_right']:.3f} "
            f"periodicity {became:.3f} (was {was:.3f})"
        )
    codec.train()
    return "; ".join(told)


def run(args: argparse.Namespace) -> None:
    """Trains until the steps or the minutes are used up."""
    args.out.mkdir(parents=True, exist_ok=True)
    training, latest = Training(args), args.out / "latest.pt"
    if latest.exists():
        training.load(latest)
        print(f"goes on from step {training.step}", flush=True)
    codec, sound, mel_loss = training.codec.train(), Sound(), MelLoss()
    valid = Speech(args.data / "valid", args.seed)
    saved, watch = time.monotonic(), Stopwatch(training.seconds)
    means: dict[str, float] = {}
    while (done := training.done()) < 1:
        # Short crops in big batches bring more voices a step than long ones.
        batch = training.speech.batch(args.batch, args.frames, AGENT_SHARE)
        warm = min(1.0, (training.step + 1) / WARM_UP)
        rate = RATE * warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
        for group in training.optimiser.param_groups:
            group["lr"] = rate
        parts = losses(codec, sound, mel_loss, batch)
        loss = total(parts)
        if not torch.isfinite(loss):
            raise SystemExit(f"the loss is {loss.item()} at step {training.step}: nothing is saved")
        training.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(codec.parameters(), 1.0)
        training.optimiser.step()
        training.step += 1
        training.spoken_s += batch.heard.numel() / RATE_HZ
        now = time.monotonic()
        training.seconds = watch.lap()
        for name, part in {**parts, "norm": norm}.items():
            if math.isfinite(value := float(part.detach())):
                means[name] = 0.95 * means.get(name, value) + 0.05 * value
        if training.step % 25 == 0:
            used = " ".join(f"{n:.0f}" for n in codec.quantiser.used())
            words = " ".join(f"{name} {value:.4f}" for name, value in means.items())
            print(
                f"step {training.step} {training.seconds / 60:.1f} min ({done:.0%}) lr {rate:.1e} "
                f"{words} used {used}", flush=True,
            )  # fmt: skip
        if training.step % CHECK_EVERY == 0:
            print(f"valid {check(codec, valid, mel_loss, sound)}", flush=True)
        if now - saved > SAVE_EVERY_S:
            training.save(latest)
            saved = now
    training.save(latest)
    print(f"valid {check(codec, valid, mel_loss, sound)}", flush=True)
    told = {"phones": training.phones, **read_checkpoint(latest)[1]}
    (args.out / "done.json").write_text(json.dumps(told) + "\n", encoding="utf-8")


def main(argv: list[str] | None = None) -> None:
    """Command line; without ``--steps``, time decides."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("build/nano/data/codec"))
    parser.add_argument("--out", type=Path, default=Path("build/nano/codec"))
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--steps", type=int, default=0, help="instead of minutes: reproducible")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--frames", type=int, default=16, help="of a crop: 80 ms each")
    parser.add_argument("--threads", type=int, default=2)
    run(parser.parse_args(argv))


if __name__ == "__main__":
    main()
