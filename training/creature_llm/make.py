"""Makes the model from nothing: corpus, training, GGUF with manifest, evaluation.

One seeded command; started again it goes on where it was: the corpus is kept once it is whole,
training goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from training.creature_llm import export_gguf, train
from training.creature_llm.corpus import ROOT, write_all


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--steps", type=int, default=train.STEPS)
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "creature")
    parser.add_argument("--out", type=Path, default=export_gguf.MODEL, help="GGUF to write")
    parser.add_argument("--python", default=sys.executable, help="the one with xllamacpp")
    args = parser.parse_args()
    began = time.monotonic()
    build, done = args.build, args.build / "corpus.done"
    if not done.exists():
        write_all(build, args.seed, 30_000, 4_000)
        done.touch()
    run = build / "run"
    options = ["--corpus", build, "--out", run, "--steps", args.steps, "--seed", args.seed]
    train.train(train.arguments().parse_args([str(option) for option in options]))
    export_gguf.export(run, args.out)
    print(f"made in {(time.monotonic() - began) / 60:.0f} min", flush=True)
    command = ["-m", "training.creature_llm.evaluate", "--model", args.out, "--corpus", build]
    subprocess.run([args.python, *command], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
