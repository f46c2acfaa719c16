"""Fills lab 5c's README: the list of checks from its code, the figures from the solved lab.

python scripts/lab5c.py                  the checks only
python scripts/lab5c.py build/labs/5c    the figures too, of what `make labs` left there
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

README = ROOT / "labs" / "lab5c_face" / "README.md"


def filled(text: str, name: str, block: str) -> str:
    """The text with what stands between two comments replaced."""
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    head, _, rest = text.partition(start)
    return f"{head}{start}\n{block}\n{end}{rest.partition(end)[2]}"


def checks() -> str:
    """A line for each check."""
    from labs.catalogue import load

    lab = load("5c")
    lines = [f"- `{check.name}`: {check.what}" for check in lab.checks]
    packed = ", ".join(f"`{pattern}`" for pattern in lab.files)
    return "\n".join([f"Packed are {packed}. Checked is:", "", *lines])


def numbers(work: Path) -> str:
    """What the worked solution measured."""
    from bench import machine
    from bench.face_frames import offsets, read_face

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


def main() -> None:
    """Writes the README."""
    text = filled(README.read_text(encoding="utf-8"), "checks", checks())
    if len(sys.argv) > 1:
        text = filled(text, "numbers", numbers(Path(sys.argv[1])))
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
