"""The worked solution, from the first run to the answers: python solve.py.

With --measured it begins after the runs, with those that are in results/.
"""

import csv
import subprocess
import sys
from pathlib import Path
from statistics import median, pstdev

import numpy as np


def run(*words: str) -> None:
    """Runs one of the lab's scripts, as a student does."""
    subprocess.run([sys.executable, *words], check=True)


def main() -> None:
    """Measures, draws, compares, and writes answers.toml."""
    if "--measured" not in sys.argv:
        run("measure.py", "base")
        run("measure.py", "pair", "faster.toml")
    run("waterfall.py")
    run("floor.py")
    run("prosody.py")
    Path("answers.toml").write_text(answers(), encoding="utf-8")


def answers() -> str:
    """The answers, from what was measured."""
    from floor import predict_floor
    from waterfall import waterfall

    from labs.lab5a_cascade.measuring import gain, turns

    stages: dict[str, list[float]] = {}
    heard, ttfb = [], {}
    for turn in turns(Path("results/base")):
        for mark in turn.marks:
            if (mark["stage"], mark["event"]) == ("pipecat", "ttfb"):
                ttfb.setdefault(mark["text"].partition("#")[0], []).append(1000 * mark["value"])
        if turn.heard_ms is not None:
            heard.append(turn.heard_ms)
            for name, start, end in waterfall(turn.marks):
                stages.setdefault(name, []).append(end - start)
    value, low, high, _ = gain(Path("results/pair"))
    with Path("prosody.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    spread = {
        when: pstdev(12 * np.log2(float(row[f"f0_hz_{when}"])) for row in table)
        for when in ("before", "after")
    }
    largest = max(stages, key=lambda name: median(stages[name]))
    return f"""
[pipecat]
ttfb_sum_ms = {sum(map(median, ttfb.values())):.1f}

[floor]
predicted_ms = {predict_floor(stages):.1f}
heard_ms = {median(heard):.1f}
largest = "{largest}"

[wait]
option = "turns.vad_stop_secs"
gain_ms = {value:.1f}
low_ms = {low:.1f}
high_ms = {high:.1f}
price = "A user who pauses for longer than 0.2 s inside a sentence is now taken to have ended, and
is answered in the middle of it."

[prosody]
spread_before_semitones = {spread["before"]:.2f}
spread_after_semitones = {spread["after"]:.2f}
deleted = "Four voices went in and one came out: who speaks, how high, how loud and how fast is
gone, and with it what was meant by it. The words are kept, as far as they were recognised."
""".replace("and\nis answered", "and is answered").replace("fast is\ngone", "fast is gone")


if __name__ == "__main__":
    main()
