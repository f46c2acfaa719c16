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

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent))

from lab_readme import fill


def numbers(work: Path) -> str:
    """Findings of the worked solution; only of the runs that exist."""

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


if __name__ == "__main__":
    fill("5b", "lab5b_duplex", numbers)
