"""Runs the harness for tasks 4 and 5c. Nothing to do here.

python measure.py floor [PRESET]      the floor probe → floor.json (default: duplex-tiny)
python measure.py frames [PRESET]     Moshi, frame by frame → results/frames
python measure.py overlap             a cascade and a duplex model, interrupted → results/overlap
python measure.py watch               the same model with the intent watcher and without
"""

import subprocess
import sys
from pathlib import Path

from pipelines.spec import load_spec


def lab(*words: str) -> None:
    """Runs ``duplex-lab``."""
    code = "from bench.cli import main; main()"
    subprocess.run([sys.executable, "-c", code, *words], check=True)


def unwatched(path: Path) -> None:
    """Writes the preset of the watched model, without its table [watch]."""
    watched = load_spec("duplex-scripted-watch").toml
    path.write_text(watched.partition("\n[watch]\n")[0], encoding="utf-8")


def main() -> None:
    """One measurement."""
    what, *more = sys.argv[1:] or ["help"]
    preset = more[0] if more else "duplex-tiny"
    if what == "floor":
        lab("floor", preset, "--positions", "6", "--json", "floor.json")
    elif what == "frames":
        lab("run", "--presets", preset,
            "--fixtures", "pause_toys_box,pause_chair_cup,long_book_light",
            "--out", "results/frames")  # fmt: skip
    elif what == "overlap":
        lab("run", "--presets", "cascade-embedded,duplex-scripted-yield",
            "--fixtures", "barge_in_stop,barge_in_change", "--out", "results/overlap")  # fmt: skip
    elif what == "watch":
        unwatched(Path("unwatched.toml"))
        lab("run", "--presets", "unwatched.toml,duplex-scripted-watch",
            "--fixtures", "cmd_dance,cmd_stop", "--out", "results/watch")  # fmt: skip
    else:
        print(__doc__)


if __name__ == "__main__":
    main()
