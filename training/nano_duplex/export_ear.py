"""Writes the ear as an ONNX graph with explicit streaming state, weights in half precision.

python -m training.nano_duplex.export_ear --checkpoint build/nano/ear/ear.pt
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn

from pipelines.duplex.nano_ear import EAR_NAME
from pipelines.duplex.nano_sound import MELS
from pipelines.duplex.nano_weights import PACKAGED
from training.nano_duplex.codec import HOPS, Carry
from training.nano_duplex.ear import VECTOR, Ear
from training.nano_duplex.export_codec import rounded, trace
from training.nano_duplex.seal import enter

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
def write(ear: Ear, folder: Path) -> None:
    """Writes the graph of a `rounded` ear into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
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

    ear, told = read_checkpoint(args.checkpoint)
    write(rounded(ear), args.out)
    enter(args.out, "ear", (EAR_NAME,), {"vector": VECTOR, **told})
    print(f"{args.out / EAR_NAME}: {(args.out / EAR_NAME).stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
