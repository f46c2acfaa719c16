"""Fills lab 5b's README: the list of checks from its code, the figures from the solved lab.

python scripts/lab5b.py                  the checks only
python scripts/lab5b.py build/labs/5b    the figures too, of what `make labs` left there
"""

from __future__ import annotations

import csv
import json
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

README = ROOT / "labs" / "lab5b_duplex" / "README.md"


def filled(text: str, name: str, block: str) -> str:
    """The text with what stands between two comments replaced."""
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    head, _, rest = text.partition(start)
    return f"{head}{start}\n{block}\n{end}{rest.partition(end)[2]}"


def checks() -> str:
    """A line for each check."""
    from labs.catalogue import load

    lab = load("5b")
    lines = [f"- `{check.name}`: {check.what}" for check in lab.checks]
    packed = ", ".join(f"`{pattern}`" for pattern in lab.files)
    return "\n".join([f"Packed are {packed}. Checked is:", "", *lines])


def numbers(work: Path) -> str:
    """What the worked solution found; of runs only what is there."""

    def rows(name: str) -> list[dict[str, str]]:
        with (work / name).open(encoding="utf-8") as file:
            return list(csv.DictReader(file))

    answers = tomllib.loads((work / "answers.toml").read_text(encoding="utf-8"))
    rates = {(r["source"], int(r["levels"])): r for r in rows("rates.csv")}
    lines = ["| codebooks of 128 | bits per frame | mimi_like | fixtures |", "|---|---|---|---|"]
    for level in (1, 2, 4, 8):
        made_up, real = rates["mimi_like", level], rates["fixtures", level]
        lines.append(
            f"| {level} | {real['bits_per_frame']} | {made_up['snr_db']} dB | {real['snr_db']} dB |"
        )
    lines += ["", "| codec | decoded | WER | voices told right |", "|---|---|---|---|"]
    for row in rows("ablation.csv"):
        lines.append(
            f"| {row['codec']} | {row['kept']} | {row['wer']} | {float(row['voices_right']):.0%} |"
        )
    floor = json.loads((work / "floor.json").read_text(encoding="utf-8"))
    watcher = answers["watcher"]
    return "\n".join(
        [
            *lines,
            "",
            f"- floor: derived {answers['floor']['derived_ms']} ms, measured "
            f"{answers['floor']['measured_ms']:.0f} ms ({floor['preset']}, backend "
            f"{floor['model']['backend']})",
            f"- overlap: cascade {answers['overlap']['cascade']:.1f} %, duplex "
            f"{answers['overlap']['duplex']:.1f} %",
            f"- watcher: F1 of rules {watcher['rules_f1']:.3f}, with the classifier "
            f"{watcher['classifier_f1']:.3f}, on the sentences written by hand",
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
