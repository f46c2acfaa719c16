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
    """Runs ``duplex-lab``; ends with it where it fails, since it has printed the reason."""
    code = "from bench.cli.main import main; main()"
    if failed := subprocess.run([sys.executable, "-c", code, *words], check=False).returncode:
        sys.exit(failed)


def run(name: str, presets: str, fixtures: str, repeats: int = 1) -> None:
    """Measures a run again: results/NAME."""
    folder = Path("results") / name
    if folder.exists():
        sys.exit(f"{folder} is there already. To measure again, remove it: rm -r {folder}")
    lab("run", "--presets", presets, "--fixtures", fixtures, "--repeats", str(repeats),
        "--out", str(folder))  # fmt: skip


def unwatched(path: Path) -> None:
    """Writes the preset of the watched model, without its table [watch]."""
    watched = load_spec("duplex-scripted-watch").toml
    path.write_text(watched.partition("\n[watch]\n")[0], encoding="utf-8")


def main() -> None:
    """One measurement."""
    what, *more = sys.argv[1:] or ["help"]
    preset = more[0] if more else "duplex-tiny"
    if what == "floor":
        lab("algorithmic-latency", preset, "--positions", "6", "--json", "floor.json")
    elif what == "frames":
        run("frames", preset, "pause_toys_box,pause_chair_cup,long_book_light")
    elif what == "overlap":
        run("overlap", "cascade-embedded,duplex-scripted-yield", "barge_in_stop", repeats=2)
    elif what == "watch":
        unwatched(Path("unwatched.toml"))
        run("watch", "unwatched.toml,duplex-scripted-watch", "cmd_dance,cmd_stop")
    else:
        print(__doc__)


if __name__ == "__main__":
    main()
