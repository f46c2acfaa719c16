"""Makes duplex-nano, one command a stage: ``python -m training.nano_duplex.make STAGE …``.

``data`` → ``codec`` → ``ear`` → ``encode`` → ``read`` → ``speak`` → ``joint`` → ``export``. Each
goes on where it was when it is started again. ``untrained`` writes weights of the same shape that
know nothing, for measuring what a frame costs. What follows the stage is handed to it; ``--help``
lists it.
"""

from __future__ import annotations

import argparse
import importlib
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.duplex.nano.ear import VECTOR
from pipelines.duplex.nano.files import PACKAGED
from pipelines.duplex.nano.names import EAR_NAME, EAR_WORDS
from training.nano_duplex.agent_codec import FOLDER

if TYPE_CHECKING:
    from training.nano_duplex.lm import Lm

MODULES = {
    "data": "training.nano_duplex.corpus",
    "codec": "training.nano_duplex.train_codec",
    "ear": "training.nano_duplex.train_ear",
    "encode": "training.nano_duplex.tokens",
    "read": "training.nano_duplex.train_lm",
    "speak": "training.nano_duplex.train_lm",
    "joint": "training.nano_duplex.train_lm",
    "rehearse": "training.nano_duplex.rehearse",
    "reopen": "training.nano_duplex.reopen",
    "calibrate": "training.nano_duplex.calibrate",
    "evaluate": "training.nano_duplex.evaluate",
}
"""Stage → the module whose ``main`` does it."""
VOCABULARY = Path(__file__).with_name("vocabulary.txt")
TINY_LM = {
    "dim": 16, "layers": 2, "heads": 2, "hidden": 24, "window": 12,
    "depth_dim": 12, "depth_layers": 2, "depth_heads": 2, "depth_hidden": 16,
}  # fmt: skip
TINY_CODEC: dict[str, Any] = {"fast": 8, "slow": 12, "voice": 8, "depths": (1, 1, 1, 1, 1)}
TINY_READER = {"width": 8, "layers": 2, "heads": 2}
TINY_WORDS = ("go", "left", "stop")
MOST_FAR = 1e-3
"""A logit of the stream may differ so much from the same over all frames at once."""
UNTRAINED_FRAMES = 4.0
"""How long weights that never heard a word are said to take for one."""


def export(argv: list[str]) -> None:
    """``export``: the weights of a checkpoint beside a codec, with their card."""
    parser = argparse.ArgumentParser(prog="make export", description=export.__doc__)
    parser.add_argument("--lm", type=Path, required=True, help="checkpoint of train_lm")
    parser.add_argument("--codec", type=Path, default=FOLDER, help="folder with its ONNX files")
    parser.add_argument("--ear", type=Path, default=PACKAGED, help="folder with its ONNX file")
    parser.add_argument("--hours", type=float, default=0.0, help="of dialogues it was trained on")
    parser.add_argument("--eagerness", type=float, default=0.0, help="what calibrate found")
    parser.add_argument("--vocabulary", type=Path, default=VOCABULARY)
    parser.add_argument("--out", type=Path, default=PACKAGED)
    args = parser.parse_args(argv)
    from training.nano_duplex.train_lm import load_lm

    lm, state = load_lm(args.lm)
    _write(
        lm,
        args.out,
        args.codec,
        args.ear,
        args.vocabulary,
        trained=state["done"],
        word_frames=state["word_frames"],
        seed=state["seed"],
        data={"dialogue_hours": args.hours, "lm_stage": state["stage"], "lm_steps": state["step"]},
        eagerness=args.eagerness,
    )


def untrained(argv: list[str]) -> None:
    """``untrained``: random weights of the true shape, codec and language model."""
    parser = argparse.ArgumentParser(prog="make untrained", description=untrained.__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--codec", type=Path, help="folder with a codec's ONNX files; else random")
    parser.add_argument("--ear", type=Path, help="folder with an ear's ONNX file; else random")
    parser.add_argument("--vocabulary", type=Path, default=VOCABULARY)
    parser.add_argument("--tiny", action="store_true", help="the smallest shape, for tests")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    import torch

    from training.nano_duplex.agent_codec import ENCODER
    from training.nano_duplex.codec import Codec, Shape
    from training.nano_duplex.ear import Ear
    from training.nano_duplex.export_codec import write
    from training.nano_duplex.export_ear import write as write_ear
    from training.nano_duplex.lm import Lm, LmSizes
    from training.nano_duplex.reader import ReaderShape
    from training.nano_duplex.store import rounded

    torch.manual_seed(args.seed)
    words = args.vocabulary.read_text(encoding="utf-8").split()
    codec, ear = args.codec or args.out, args.ear or args.out
    known = args.ear or (None if args.tiny else PACKAGED)
    heard = TINY_WORDS if known is None else (known / EAR_WORDS).read_text("utf-8").split()
    sizes = LmSizes(
        words=len(words) + 3, vector=VECTOR + 1 + len(heard), **(TINY_LM if args.tiny else {})
    )
    shape = Shape(**TINY_CODEC) if args.tiny else Shape()
    reader = ReaderShape(**TINY_READER) if args.tiny else ReaderShape()
    if args.codec is None:
        write(rounded(Codec(2, shape)), codec)
        (codec / ENCODER).unlink()  # it only trains
    if args.ear is None:
        write_ear(rounded(Ear(2, len(heard), shape, reader)), heard, ear)
    lm = Lm(sizes)
    with torch.no_grad():  # else eight heads of zeros: every code alike
        lm.codes_out.normal_(std=0.3)
    _write(
        lm,
        args.out,
        codec,
        ear,
        args.vocabulary,
        trained=[],
        word_frames=[UNTRAINED_FRAMES] * len(words),
        seed=args.seed,
        data={},
        keep_reference=args.tiny,
    )


def _write(
    lm: Lm,
    out: Path,
    codec: Path,
    ear: Path,
    vocabulary: Path,
    *,
    trained: list[str],
    word_frames: list[float],
    seed: int,
    data: dict[str, object],
    eagerness: float = 0.0,
    keep_reference: bool = False,
) -> None:
    """All files of a folder of weights, and their card; the stream is held against the model."""
    from pipelines.duplex.nano.files import FILES, VOCABULARY_NAME
    from pipelines.duplex.nano.names import DECODER, LM_NAME
    from training.nano_duplex.export_lm import export as export_lm
    from training.nano_duplex.export_lm import rounded
    from training.nano_duplex.lm import parameters_of
    from training.nano_duplex.reference import compare
    from training.nano_duplex.seal import entered, seal

    out.mkdir(parents=True, exist_ok=True)
    (of_codec, codec_told), (of_ear, ear_told) = entered(codec, "codec"), entered(ear, "ear")
    for folder, name in ((codec, DECODER), (ear, EAR_NAME), (ear, EAR_WORDS)):
        if (folder / name).resolve() != (out / name).resolve():
            shutil.copyfile(folder / name, out / name)
    shutil.copyfile(vocabulary, out / VOCABULARY_NAME)
    export_lm(rounded(lm), out / LM_NAME)
    far = compare(lm, out, keep=keep_reference)
    if far > MOST_FAR:
        raise SystemExit(f"{out / LM_NAME}: its logits differ by {far:.1e} from the model's own.")
    command = "python -m training.nano_duplex.make " + " ".join(
        Path(word).name if "/" in word else word for word in sys.argv[1:]
    )
    seal(
        out,
        trained=[*of_codec, *of_ear, *trained],
        codec=codec_told,
        ear=ear_told,
        sizes=asdict(lm.sizes),
        word_frames=word_frames,
        seed=seed,
        command=command,
        data=data,
        eagerness=eagerness,
    )
    size = sum((out / name).stat().st_size for name in FILES)
    print(f"{out}: {parameters_of(lm):,} parameters of the language model, {size / 1e6:.1f} MB")


OWN = {"export": export, "untrained": untrained}


def main() -> None:
    """Command line."""
    stages = [*MODULES, *OWN]
    if len(sys.argv) < 2 or sys.argv[1] not in stages:
        raise SystemExit(f"{__doc__}\nstages: {', '.join(stages)}")
    stage, rest = sys.argv[1], sys.argv[2:]
    if stage in OWN:
        OWN[stage](rest)
        return
    module = importlib.import_module(MODULES[stage])
    module.main([stage, *rest] if stage in ("read", "speak", "joint") else rest)


if __name__ == "__main__":
    main()
