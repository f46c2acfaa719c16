"""Writes the codec as two ONNX graphs with explicit streaming state, weights in half precision.

The weights are rounded to fp16 before anything is traced, stored so, and cast to fp32 by nodes
that ONNX Runtime folds away when it loads: 5 MB on disk, fp32 arithmetic, and the same numbers as
the rounded model in torch.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipelines.duplex.nano.names import DECODER
from pipelines.duplex.nano.sound import MELS
from pipelines.duplex.nano.voice import BOOKS
from training.nano_duplex.agent_codec import ENCODER, FOLDER, VECTOR
from training.nano_duplex.codec import DELAY, ENTRIES, HOPS, Carry, Codec
from training.nano_duplex.seal import enter
from training.nano_duplex.store import rounded, shrink

OPSET = 18
_FRAMES = 3
"""Frames of the example that is traced; the number stays free."""


class _Encode(nn.Module):
    def __init__(self, codec: Codec) -> None:
        super().__init__()
        self.codec = codec

    def forward(self, mel: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        carry = Carry(state)
        codes, vectors = self.codec.encode(mel[None], carry)
        return codes[0], vectors[0], carry.gathered()


class _Decode(nn.Module):
    def __init__(self, codec: Codec) -> None:
        super().__init__()
        self.codec = codec

    def forward(self, codes: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        carry = Carry(state)
        real, imaginary = self.codec.decode(codes[None], carry)
        return real[0], imaginary[0], carry.gathered()


@torch.no_grad()
def write(codec: Codec, folder: Path) -> None:
    """Writes both graphs of a `rounded` codec into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    mel, codes = torch.zeros(_FRAMES * HOPS, MELS), torch.zeros(_FRAMES, BOOKS, dtype=torch.long)
    ear, mouth = Carry(), Carry()
    codec.encode(mel[None], ear)
    codec.decode(codes[None], mouth)
    frames = torch.export.Dim("frames", min=1, max=1 << 20)
    trace(
        folder / ENCODER, _Encode(codec), (mel, ear.gathered()), ["mel", "state"],
        ["codes", "vectors", "next_state"], ({0: HOPS * frames}, None),
    )  # fmt: skip
    trace(
        folder / DECODER, _Decode(codec), (codes, mouth.gathered()), ["codes", "state"],
        ["real", "imaginary", "next_state"], ({0: frames}, None),
    )  # fmt: skip


def trace(
    path: Path, module: nn.Module, example: tuple[Tensor, ...], inputs: list[str],
    outputs: list[str], free: tuple[Any, ...],
) -> None:  # fmt: skip
    """Writes one graph of a streaming module.

    Args:
        path: Where to.
        module: Takes what comes, and a state (size,); gives what goes, and the next state.
        example: Of both inputs.
        inputs: Their names.
        outputs: The outputs' names.
        free: The axes of the inputs that may have any length.
    """
    import onnx

    program = torch.onnx.export(
        module.eval(), example, dynamo=True, opset_version=OPSET, input_names=inputs,
        output_names=outputs, dynamic_shapes=free, optimize=True, verbose=False,
    )  # fmt: skip
    model = program.model_proto
    shrink(model)
    for key, value in (("delay_samples", DELAY), ("format", 1)):
        model.metadata_props.add(key=key, value=str(value))
    del model.graph.value_info[:]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def main() -> None:
    """Command line: a checkpoint, or fresh random weights to measure speed with."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, help="default: untrained weights of seed 7")
    parser.add_argument("--out", type=Path, default=FOLDER)
    args = parser.parse_args()
    torch.manual_seed(7)
    codec, trained = Codec(phones=2), {"steps": 0, "seed": 7}
    if args.checkpoint:
        from training.nano_duplex.train_codec import read_checkpoint

        codec, trained = read_checkpoint(args.checkpoint)
    write(rounded(codec), args.out)
    told = {"books": BOOKS, "entries": ENTRIES, "vector": VECTOR, "delay_samples": DELAY, **trained}
    enter(args.out, "codec", (ENCODER, DECODER), told)
    for name in (ENCODER, DECODER):
        print(f"{args.out / name}: {(args.out / name).stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
