"""Fills lab 5c's README: the list of checks from its code, the figures from the solved lab.

python scripts/lab5c.py                  the checks only
python scripts/lab5c.py build/labs/5c    the figures too, of what `make labs` left there
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent))

from lab_readme import fill


def numbers(work: Path) -> str:
    """Measurements of the worked solution."""
    from bench.machine import description as machine
    from bench.store.face_frames import offsets, read_face

    here = machine.describe()
    said = tomllib.loads((work / "answers.toml").read_text(encoding="utf-8"))["offset"]
    frames = read_face(work / "results" / "play")
    found = offsets(frames)
    if found.p50_ms is None:
        raise SystemExit(f"{work}: no browser measured it")
    sync = max(f.sync_error_ms or 0.0 for f in frames)
    return "\n".join(
        [
            f"- on {here['cpu']}, {here['cores']} cores, {said['browser']} without a window:",
            f"- {found.frames} frames of 80 ms, three sentences: drawn − heard, p5 "
            f"{found.p5_ms:+.1f}, median {found.p50_ms:+.1f}, p95 {found.p95_ms:+.1f} ms; "
            f"|offset| at p95 {found.abs_p95_ms:.1f} ms",
            f"- the machine's clock was tied to the page's to within {sync:.1f} ms (half a ping)",
        ]
    )


if __name__ == "__main__":
    fill("5c", "lab5c_face", numbers)
