r"""Fills the tables of docs/mimi-onnx.md from measurements.

    python scripts/bench_mimi.py --json mimi.json
    python scripts/bench_moshi_lm.py --json step.json
    python scripts/bench_engines.py --engines kyutai-stt-onnx --threads 1,2 --json stt.json
    python scripts/loading.py --json loading.json
    python scripts/moshi_tables.py --mimi mimi.json --step step.json --stt stt.json \
        --loading loading.json --real-time results/RUN --real-time results/OTHER

A table without its measurement stays as it is. ``--note "Beside other work."`` says what else ran.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import real_time  # noqa: E402  (found by the path above)
from readme import filled  # noqa: E402

DOCS = ROOT / "docs" / "mimi-onnx.md"
HALVES = ("encode", "decode")


def mimi(measured: list[Any]) -> str:
    """A row for each run of bench_mimi.py, which had a thread for each codec."""
    lines = [
        f"{measured[0]['cpu']}; one thread, frame by frame in turn, medians.",
        "",
        "| bits of encoder, decoder | frames | encode ms | decode ms "
        "| beside | encode ms | decode ms | ratio | codes equal | sound |",
        f"|---|{'---:|' * 3}---|{'---:|' * 5}",
    ]
    for run in measured:
        bits = ", ".join(str(run["onnx"][half]["bits"]) for half in ("encoder", "decoder"))
        for other, ratio in run["ratio"].items():
            cells = [bits, str(run["frames"]), *_ms(run["ms"]["onnx"]), other]
            cells += [*_ms(run["ms"][other]), f"{ratio:.3f}"]
            cells += [f"{100 * run['same_codes'][other]:.2f} %", f"{run['snr_db'][other]:.0f} dB"]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def step(measured: list[Any]) -> str:
    """A row for each size that bench_moshi_lm.py measured."""
    (run,) = measured
    names = ("onnx", "temporal", "depth", "mlx bf16", "mlx q4")
    lines = [
        f"{run['cpu']}; one thread, step by step in turn, medians of {run['steps']}, ms.",
        "",
        f"| size | {' | '.join(names)} | onnx / the faster mlx |",
        f"|---|{'---:|' * 6}",
    ]
    for size in (name for name in run if name not in ("cpu", "steps")):
        cells = [f"{run[size]['ms'][name]:.1f}" for name in names]
        lines.append(f"| {size} | {' | '.join(cells)} | {run[size]['ratio']:.3f} |")
    return "\n".join(lines)


def stt(measured: list[Any]) -> str:
    """A row for each time of bench_engines.py."""
    lines = ["| engine | size | threads | what | median | least–most | unit |"]
    lines.append("|---|---|---:|---|---:|---:|---|")
    for cost in (cost for costs in measured for cost in costs):
        values = cost["values"]
        cells = [cost["engine"], cost["model"], str(cost["threads"]), cost["what"]]
        cells += [f"{median(values):.1f}", f"{min(values):.1f}–{max(values):.1f}", cost["unit"]]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def loading(measured: list[Any]) -> str:
    """A row for each preset of loading.py."""
    (run,) = measured
    lines = [
        f"{run['machine']['cpu']}.",
        "",
        "| preset | backend | write s | cold s | warm s | RSS MB | PSS MB | private MB |",
        f"|---|---|{'---:|' * 6}",
    ]
    for preset, row in ((name, row) for name, row in run.items() if name != "machine"):
        seconds = [row[name] for name in ("write_s", "cold_s", "warm_s")]
        cells = ["–" if n is None else f"{n:.1f}" for n in seconds]
        cells += [f"{row[f'{what}_mb']:.0f}" for what in ("rss", "pss", "private")]
        lines.append(f"| {preset} | {row['backend']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _ms(times: dict[str, float]) -> list[str]:
    return [f"{times[half]:.1f}" for half in HALVES]


TABLES: dict[str, Callable[[list[Any]], str]] = {
    "mimi": mimi, "step": step, "stt": stt, "loading": loading,
}  # fmt: skip
"""Name of an option and of its place on the page → its table, of the option's files."""
REAL_TIME = "real-time"


def main() -> None:
    """Rewrites the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in TABLES:
        parser.add_argument(f"--{name}", type=Path, action="append", default=[])
    parser.add_argument(f"--{REAL_TIME}", type=Path, action="append", default=[])
    parser.add_argument("--note", default="", help="a sentence below each table that is written")
    asked = vars(parser.parse_args())
    text = DOCS.read_text(encoding="utf-8")
    note = f"\n\n{asked['note']}" if asked["note"] else ""
    for name, table in TABLES.items():
        if files := asked[name]:
            measured = [json.loads(file.read_text(encoding="utf-8")) for file in files]
            text = filled(text, name, table(measured) + note)
    if runs := asked[REAL_TIME.replace("-", "_")]:
        tables = "\n".join(real_time.table(run) for run in runs)
        text = filled(text, REAL_TIME, tables.rstrip() + note)
    DOCS.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
