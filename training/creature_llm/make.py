"""Makes the committed model from nothing: corpus, training, GGUF and manifest, evaluation.

One command, seeded, resumable: what is already there of the same seed is not made again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from training.creature_llm.corpus import ROOT, write_all
from training.creature_llm.export_gguf import export
from training.creature_llm.train import train

STEPS = 4500


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--out", type=Path, help="GGUF (default: in the build folder)")
    parser.add_argument("--python", default=sys.executable, help="with the engine xllamacpp")
    args = parser.parse_args()
    began = time.monotonic()
    build = ROOT / "build" / f"creature-{args.seed}"
    finished = build / "corpus.done"
    if not finished.exists():
        write_all(build, args.seed, 40_000, 10_000)
        finished.touch()
    train(build, build / "run", args.seed, args.steps)
    out = args.out or build / "creature-3m-q8_0.gguf"
    export(build / "run", out)
    print(f"made in {(time.monotonic() - began) / 60:.0f} min", flush=True)
    command = ["-m", "training.creature_llm.evaluate", "--model", out, "--corpus", build]
    subprocess.run([args.python, *command], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
