"""The worked solution, from the first codebook to the answers: python solve.py.

With --measured it takes the runs and floor.json that are there.
"""

import csv
import json
import subprocess
import sys
from pathlib import Path
from statistics import fmean, median


def run(*words: str) -> None:
    """Runs one of the lab's scripts, as a student does."""
    subprocess.run([sys.executable, *words], check=True)


def main() -> None:
    """Codec, duplex, watcher; then writes answers.toml."""
    for script in ("rates.py", "ablation.py", "rules.py", "train.py"):
        run(script)
    if "--measured" not in sys.argv:
        for what in ("floor", "frames", "overlap", "watch"):
            run("measure.py", what)
    Path("answers.toml").write_text(answers(), encoding="utf-8")


def mean_of(folder: str, metric: str, preset: str, middle=fmean, warmup=False) -> float:
    """A metric of a run, over its conversations."""
    from bench.store import store

    rows = store.read_metrics(Path(folder))
    own = [r for r in rows if (r.metric, r.preset) == (metric, preset)]
    own = [r for r in own if warmup or not r.warmup]
    return middle([r.value for r in own if r.value is not None])


def table(name: str) -> list[dict[str, str]]:
    """A CSV file's rows."""
    with Path(name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def answers() -> str:
    """The answers, from what was measured."""
    from rules import tasks
    from rvq import kbps

    from labs.lab5b_duplex.reading import SENTENCES, f1, f1_of_weights, read_table

    db = [float(row["snr_db"]) for row in table("rates.csv") if row["source"] == "fixtures"]
    wer = {(r["codec"], r["kept"]): r["wer"] for r in table("ablation.csv")}
    floor = json.loads(Path("floor.json").read_text(encoding="utf-8"))
    rows = read_table(SENTENCES)
    rules = f1(rows, [tasks(row.text, row.who) for row in rows])
    # The burst at the start, as fast as frames go, belongs to the warm-up.
    frames = mean_of("results/frames", "service_p50", "duplex-tiny", median, warmup=True)
    cascade = mean_of("results/overlap", "overlap", "cascade-embedded")
    duplex = mean_of("results/overlap", "overlap", "duplex-scripted-yield")
    return f"""
[codec]
mimi_kbps = {kbps(8, 2048, 12.5)}
first_db = {db[0]}
all_db = {db[-1]}
what_it_buys = "Each codebook codes what the others left over, which has less and less structure."

[ablation]
wer_first = {wer["split", "first"]}
wer_without_first = {wer["split", "without first"]}
meaning = '''In the split codec the first codebook alone keeps half of the words and nothing of the
voice, which is then told no better than by chance; without it the words are gone. That the speaker
lies in the others is not shown: without the first, the spectrum is too far off to tell a voice.
It was not taught what words are, as Mimi's is: what a semantic token is worth, these codecs can't
show.'''

[floor]
derived_ms = 160
measured_ms = {floor["floor_ms"]}
why = '''One frame of 80 ms must be complete before it is heard, and the acoustic codebooks come one
frame after the first. An implementation that reads a frame later adds 80 ms.'''

[frames]
service_p50_ms = {frames:.2f}

[overlap]
cascade = {cascade:.4f}
duplex = {duplex:.4f}
forbidden = '''Speaking at once: behind a turn gate any sound of the user ends the agent's turn, or
is not heard at all, so there is no 'mm-hm' and no talking over each other.'''

[watcher]
rules_f1 = {rules:.3f}
classifier_f1 = {f1_of_weights(Path("weights.json"), rows):.4f}
slow_loop = '''Nothing: the tap passes every frame on before it looks at it, and reads and plans in
processes of their own, at a lower priority.'''
"""


if __name__ == "__main__":
    main()
