"""Trains the decoder on, alone and on the agent's voice only: the codes stay what they are.

Whatever was trained on the codes or read off the vectors stays valid; only the sound of the one
voice that is ever decoded for a listener gets better. Reads and writes checkpoints of
``train_codec``.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pipelines.duplex.nano.sound import RATE_HZ
from training.nano_duplex.checkpoint import keep
from training.nano_duplex.codec import DELAY, Carry, Codec, Sound
from training.nano_duplex.codec_data import Batch, Speech
from training.nano_duplex.codec_faults import periodicity
from training.nano_duplex.stopwatch import Stopwatch
from training.nano_duplex.store import rounded
from training.nano_duplex.train_codec import MelLoss

RATE, WARM_UP = 1e-3, 20


def decoded(codec: Codec, sound: Sound, batch: Batch) -> Tensor:
    """A batch through the codec; only the decoder gets gradients."""
    with torch.no_grad():
        codes, _ = codec.encode(sound.log_mel(batch.heard), Carry())
    return sound.wave(*codec.decode(codes, Carry()))


@torch.no_grad()
def check(codec: Codec, sound: Sound, mel_loss: MelLoss, valid: Speech) -> str:
    """One line about answers that were not trained on."""
    valid.random = np.random.default_rng(1)
    batch = valid.batch(24, 25, 1.0, rough=False)
    made, wanted = decoded(codec, sound, batch)[:, DELAY:], batch.wanted[:, :-DELAY]
    rows = [periodicity(a, b) for a, b in zip(wanted.numpy(), made.numpy(), strict=True)]
    was, became = np.nanmean(np.array(rows), axis=0)
    return f"mel {mel_loss(made, wanted):.3f} periodicity {became:.3f} (was {was:.3f})"


def run(args: argparse.Namespace) -> None:
    """Trains for so many minutes, or steps."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    state = torch.load(args.checkpoint, weights_only=False)
    codec = Codec(state["phones"])
    codec.load_state_dict(state["codec"])
    rounded(codec).requires_grad_(False)  # the codes are those of the exported encoder
    codec.decoder.requires_grad_(True)
    sound, mel_loss = Sound(), MelLoss()
    speech, valid = Speech(args.data / "train", args.seed), Speech(args.data / "valid", args.seed)
    optimiser = torch.optim.AdamW(codec.decoder.parameters(), lr=RATE, betas=(0.9, 0.99))
    print(f"before: {check(codec, sound, mel_loss, valid)}", flush=True)
    watch, step, done, mean = Stopwatch(), 0, 0.0, 0.0
    while done < 1:
        batch = speech.batch(args.batch, args.frames, 1.0, rough=False)
        rate = RATE * min(1, (step + 1) / WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * done))
        for group in optimiser.param_groups:
            group["lr"] = rate
        loss = mel_loss(decoded(codec, sound, batch)[:, DELAY:], batch.wanted[:, :-DELAY])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(codec.decoder.parameters(), 1.0)
        optimiser.step()
        step += 1
        mean = 0.95 * mean + 0.05 * loss.item() if mean else loss.item()
        minutes = watch.lap() / 60
        done = step / args.steps if args.steps else minutes / args.minutes
        if step % 25 == 0:
            print(f"polish {step} {minutes:.1f} min lr {rate:.1e} mel {mean:.4f}", flush=True)
    print(f"after: {check(codec, sound, mel_loss, valid)}", flush=True)
    state["codec"] = codec.state_dict()
    state["polish_steps"] = state.get("polish_steps", 0) + step
    state["polish_hours"] = step * args.batch * batch.heard.shape[1] / RATE_HZ / 3600
    keep(args.out, state)


def main(argv: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=Path("build/nano/codec/latest.pt"))
    parser.add_argument("--out", type=Path, default=Path("build/nano/codec/polished.pt"))
    parser.add_argument("--data", type=Path, default=Path("build/nano/data/codec"))
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--steps", type=int, default=0, help="instead of minutes")
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    run(parser.parse_args(argv))


if __name__ == "__main__":
    main()
