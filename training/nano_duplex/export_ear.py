"""Writes the ear as an ONNX graph with explicit streaming state, weights in half precision.

python -m training.nano_duplex.export_ear --checkpoint build/nano/ear/ear.pt
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from pipelines.duplex.nano.ear import VECTOR
from pipelines.duplex.nano.files import PACKAGED
from pipelines.duplex.nano.names import EAR_NAME, EAR_WORDS
from pipelines.duplex.nano.sound import MELS
from training.nano_duplex.codec import HOPS, Carry
from training.nano_duplex.ear import Ear
from training.nano_duplex.export_codec import trace
from training.nano_duplex.seal import enter
from training.nano_duplex.store import rounded

_FRAMES = 3
"""Frames of the example that is traced; the number stays free."""


class _Hear(nn.Module):
    def __init__(self, ear: Ear) -> None:
        super().__init__()
        self.ear = ear

    def forward(self, mel: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        carry = Carry(state)
        vectors = self.ear(mel[None], carry)
        return vectors[0], carry.gathered()


@torch.no_grad()
def write(ear: Ear, words: Sequence[str], folder: Path) -> None:
    """Writes the graph of a `rounded` ear, and the words that it reads, into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / EAR_WORDS).write_text("".join(f"{w}\n" for w in words), encoding="utf-8")
    mel, carry = torch.zeros(_FRAMES * HOPS, MELS), Carry()
    ear(mel[None], carry)
    frames = torch.export.Dim("frames", min=1, max=1 << 20)
    trace(
        folder / EAR_NAME, _Hear(ear), (mel, carry.gathered()), ["mel", "state"],
        ["vectors", "next_state"], ({0: HOPS * frames}, None),
    )  # fmt: skip


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--checkpoint", type=Path, default=Path("build/nano/ear/ear.pt"))
    parser.add_argument("--out", type=Path, default=PACKAGED)
    args = parser.parse_args()
    from training.nano_duplex.train_ear import read_checkpoint

    ear, words, told = read_checkpoint(args.checkpoint)
    write(rounded(ear), words, args.out)
    enter(args.out, "ear", (EAR_NAME, EAR_WORDS), {"vector": VECTOR, "words": len(words), **told})
    print(f"{args.out / EAR_NAME}: {(args.out / EAR_NAME).stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
