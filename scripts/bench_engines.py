"""What does each engine of a cascade cost on this machine, at its true size?

    python scripts/bench_engines.py                                  # everything: 15 minutes
    python scripts/bench_engines.py --engines piper --threads 1 --repeats 3

Models with random weights are made first (nothing is downloaded; 2 GB of disk), then asked in
processes of their own at forced lengths: per window, per token, per second of audio. All figures
are marked synthetic, and none is of a turn: random weights don't stop like trained ones. Nothing
else should run meanwhile. Prints a Markdown table; --json writes every single time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
from dataclasses import asdict, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from pipelines import environment
from pipelines.cascade.engine_costs import Cost, Plan, measure
from pipelines.cascade.synthetic import made
from pipelines.errors import LabError


def tell(words: str) -> None:
    """Progress, apart from the table."""
    print(words, file=sys.stderr, flush=True)


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    plan, path = _options(argv)
    try:
        return asyncio.run(_run(_ready(plan), path))
    except LabError as error:
        print(f"bench_engines: {error}", file=sys.stderr)
        return 2


def _options(argv: list[str] | None) -> tuple[Plan, str]:
    default = Plan()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("engines", "stt", "llm", "tts", "threads"):
        known = ",".join(map(str, getattr(default, name)))
        parser.add_argument(f"--{name}", default=known, help=f"default: {known}")
    parser.add_argument("--repeats", type=int, default=default.repeats)
    parser.add_argument("--json", default="", help="a file for every single time")
    given = parser.parse_args(argv)
    lists = {name: tuple(getattr(given, name).split(",")) for name in ("engines", "stt", "llm")}
    threads = tuple(int(n) for n in given.threads.split(","))
    plan = Plan(**lists, tts=tuple(given.tts.split(",")), threads=threads, repeats=given.repeats)
    unknown = set(plan.engines) - set(default.engines)
    if unknown:
        parser.error(f"no engine {unknown.pop()!r}; known: {', '.join(default.engines)}")
    return plan, given.json


def _ready(plan: Plan) -> Plan:
    """Makes what is missing; leaves out what can't be made here, and says so."""
    engines = []
    for engine, stage, needed in (
        ("faster-whisper", "stt", "whisper"),
        ("llama", "llm", ""),
        ("llama-cpp-python", "llm", "llama"),
        ("piper", "tts", "piper"),
    ):
        if engine not in plan.engines:
            continue
        if engine == "llama-cpp-python" and environment.find(needed) is None:
            tell("llama-cpp-python is left out: duplex-lab engines build llama (a compiler)")
            continue
        try:
            for size in getattr(plan, stage):
                made.ensure(stage, made.PREFIX + size, tell)
        except LabError as error:
            tell(f"{engine} is left out: {error}")
        else:
            engines.append(engine)
    return replace(plan, engines=tuple(engines))


async def _run(plan: Plan, path: str) -> int:
    costs = [cost async for cost in measure(plan, tell)]
    print(
        f"Synthetic: random weights, forced lengths. {platform.machine()}, {os.cpu_count()} CPUs,"
    )
    print(f"median of {plan.repeats} (least–most).\n")
    print("| engine | size | threads | what | median | least–most | unit |")
    print("|---|---|---:|---|---:|---:|---|")
    for c in costs:
        least, most = min(c.values), max(c.values)
        print(
            f"| {c.engine} | {c.model} | {c.threads} | {c.what} | {c.median:.1f} | "
            f"{least:.1f}–{most:.1f} | {c.unit} |"
        )
    if path:
        _write(Path(path), costs)
    return 0


def _write(path: Path, costs: list[Cost]) -> None:
    rows = [asdict(c) | {"weights": "synthetic"} for c in costs]
    path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
