"""Makes checkpoints of exported weights again, so that a training can begin with what ships.

    python -m training.nano_duplex.make reopen --out build/nano/reopened

The inverse of `export_lm` and `export_ear`: numbers of eight or sixteen bits, as the graphs keep
them. What training alone needs is not in a graph and begins anew: the language model's CTC (silence
in every frame, so that it tells the rest nothing before it knows something), the ear's phones
(random), both optimisers.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipelines.duplex.nano.files import CARD_NAME, PACKAGED
from pipelines.duplex.nano.names import EAR_NAME, EAR_WORDS, LM_NAME
from training.nano_duplex.checkpoint import keep
from training.nano_duplex.codec import Shape
from training.nano_duplex.corpus import PHONES
from training.nano_duplex.ear import Ear
from training.nano_duplex.lm import Lm, LmSizes
from training.nano_duplex.reader import ReaderShape

BLANK = 8.0
"""Logit of no word in the CTC that begins anew, beside the words' 0."""
BOOKS_NAMES = "select_"
"""How the exporter calls a row of ``depth_book``, which it folded; in the order of the books."""


def kept(path: Path) -> dict[str, NDArray[Any]]:
    """Every float tensor that a graph keeps, by its name in the module; order as in the file."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(path))
    held = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    found = {}
    for name, values in held.items():
        plain = name.removesuffix("_small")
        if values.dtype == np.int8:
            found[plain] = values.astype(np.float32) * held[f"{plain}_scale"]
        elif values.dtype in (np.float16, np.float32) and not name.endswith("_scale"):
            found[plain] = values.astype(np.float32)
    return found


def matrices(path: Path) -> list[NDArray[np.float32]]:
    """What a graph multiplies by or picks from, in the order in which it does.

    The exporter folds what a linear layer turns round, and takes the name away.
    """
    import onnx

    model, held = onnx.load(str(path)), kept(path)
    return [
        held[name]
        for node in model.graph.node
        if node.op_type in ("MatMul", "GatherND")
        for name in node.input
        if name in held
    ]


def lm_of(folder: Path) -> tuple[Lm, dict[str, Any]]:
    """The language model of a folder of weights, and the folder's card."""
    card = json.loads((folder / CARD_NAME).read_text(encoding="utf-8"))
    torch.manual_seed(0)
    lm = Lm(LmSizes(**card["sizes"]))
    found = kept(folder / LM_NAME)
    state = {k.removeprefix("lm."): v for k, v in found.items() if k.startswith("lm.")}
    state["depth_book"] = np.stack([v for k, v in found.items() if k.startswith(BOOKS_NAMES)])
    _fill(lm, state, fresh=("ctc_out.",))
    if lm.ctc_out is not None:  # a random one would pull at the rest by 44 nats a word
        torch.nn.init.zeros_(lm.ctc_out.weight)
        torch.nn.init.zeros_(lm.ctc_out.bias)
        lm.ctc_out.bias.data[0] = BLANK
    return lm, card


def ear_of(
    folder: Path, shape: Shape | None = None, reader: ReaderShape | None = None
) -> tuple[Ear, list[str]]:
    """The ear of a folder of weights, and its words."""
    words = (folder / EAR_WORDS).read_text(encoding="utf-8").split()
    torch.manual_seed(0)
    ear = Ear(len(PHONES), len(words), shape, reader)
    found = kept(folder / EAR_NAME)
    state = {k.removeprefix("ear."): v for k, v in found.items() if k.startswith("ear.")}
    nameless = [
        name
        for name, weight in _in_order(ear)
        if name not in state and not name.startswith("phones.")
    ]
    for name, values in zip(nameless, matrices(folder / EAR_NAME), strict=True):
        state[name] = values.T
    _fill(ear, state, fresh=("phones.",))
    return ear.eval(), words


def _in_order(ear: Ear) -> list[tuple[str, Tensor]]:
    """The ear's weights in the order in which a frame meets them."""
    named = list(ear.named_parameters())
    order = ["mix.weight", "bias", "out.weight", "grow.weight", "shrink.weight"]

    def place(name: str) -> tuple[int, int]:
        parts = name.split(".")
        if parts[:2] == ["reader", "layers"]:
            rest = ".".join(parts[3:])
            return int(parts[2]), order.index(rest) if rest in order else -1
        last = {"reader.enter": -1, "reader.norm": 98, "reader.leave": 99}
        return last.get(".".join(parts[:2]), -1), 0

    front = [row for row in named if not row[0].startswith("reader.")]
    return front + sorted(
        (r for r in named if r[0].startswith("reader.")), key=lambda r: place(r[0])
    )


def _fill(module: torch.nn.Module, state: dict[str, Any], fresh: Sequence[str]) -> None:
    """Loads all weights but the ``fresh`` ones, which stay as they began."""
    tensors = {name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in state.items()}
    known = set(module.state_dict())
    lost = module.load_state_dict({k: v for k, v in tensors.items() if k in known}, strict=False)
    if wrong := [name for name in lost.missing_keys if not name.startswith(tuple(fresh))]:
        raise SystemExit(f"the graph lacks {', '.join(wrong)}: it is not one of this code's.")


def main(argv: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(prog="make reopen", description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, default=PACKAGED, help="folder as export wrote it")
    parser.add_argument("--out", type=Path, default=Path("build/nano/reopened"))
    args = parser.parse_args(argv)
    args.out.mkdir(parents=True, exist_ok=True)
    lm, card = lm_of(args.weights)
    keep(
        args.out / "lm.pt",
        {
            "model": lm.state_dict(), "sizes": card["sizes"], "optimizers": [], "step": 0,
            "steps": 0, "seed": card["seed"], "stage": "joint", "word_frames": card["word_frames"],
            "done": [stage for stage in card["trained"] if stage in ("read", "speak", "joint")],
        },
    )  # fmt: skip
    ear, words = ear_of(args.weights)
    told = card["ear"]
    keep(
        args.out / "ear.pt",
        {
            "ear": ear.state_dict(), "optimiser": {}, "step": told["steps"],
            "seconds": 60 * told["minutes"], "phones": len(PHONES), "vocabulary": words,
            "seed": told["seed"], "before": (0, 0.0),
        },
    )  # fmt: skip
    print(f"{args.out}: lm.pt and ear.pt, the weights of {args.weights.name}")


if __name__ == "__main__":
    main()
