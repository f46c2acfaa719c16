"""Fills lab 5a's README: the list of checks from its code, the figures from the solved lab.

python scripts/lab5a.py                  the checks only
python scripts/lab5a.py build/labs/5a    the figures too, of what `make labs` left there
"""

from __future__ import annotations

import csv
import sys
import tomllib
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent))

from lab_readme import fill


def numbers(work: Path) -> str:
    """Measurements of the worked solution."""
    from bench.store import store
    from labs.lab5a_cascade.measuring import gain

    run = store.read_run(work / "results" / "base")
    machine = run.info["sessions"][0]["machine"]
    rows = store.read_metrics(work / "results" / "base")
    answers = tomllib.loads((work / "answers.toml").read_text(encoding="utf-8"))
    stages = (
        ("endpointing_delay", "endpointing delay"),
        ("llm_to_clause", "llm"),
        ("tts_ttfa", "tts"),
    )
    named = []
    for metric, name in (*stages, ("output", "output"), ("residual", "hand-overs between them")):
        own = [r for r in rows if r.metric == metric and not r.warmup]
        values = [r.value for r in own if r.value is not None]
        named.append(f"{name} {median(values):.0f}")
    value, low, high, n = gain(work / "results" / "pair")
    with (work / "prosody.csv").open(encoding="utf-8") as file:
        pitch = list(csv.DictReader(file))
    before, after = ([float(row[f"f0_hz_{when}"]) for row in pitch] for when in ("before", "after"))
    said = answers["prosody"]
    return "\n".join(
        [
            f"- on {machine['cpu']}, {machine['cores']} cores, commit "
            f"{str(machine['commit']['sha'])[:10]}, load average {machine['load_avg'][0]:.1f}",
            f"- the bars' medians, ms: {', '.join(named)}",
            f"- predicted {answers['floor']['predicted_ms']:.0f} ms, heard "
            f"{answers['floor']['heard_ms']:.0f} ms; Pipecat's TTFB sums to "
            f"{answers['pipecat']['ttfb_sum_ms']:.0f} ms",
            f"- `{answers['wait']['option']}` from 0.5 to 0.2 s: {value:.0f} ms "
            f"[{low:.0f} to {high:.0f}] on {n} sentences",
            f"- pitch of {len(pitch)} sentences: {min(before):.0f} to {max(before):.0f} Hz before, "
            f"{min(after):.0f} to {max(after):.0f} Hz after the text; spread "
            f"{said['spread_before_semitones']:.1f} and {said['spread_after_semitones']:.1f} "
            "semitones",
        ]
    )


if __name__ == "__main__":
    fill("5a", "lab5a_cascade", numbers)
