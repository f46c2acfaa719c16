"""What does each engine of a cascade cost on this machine, at its true size?

    python scripts/bench_engines.py                                  # everything: 20 minutes
    python scripts/bench_engines.py --engines piper --threads 1 --repeats 3

Models with random weights are made first (nothing is downloaded; 4 GB of disk), then asked in
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

from pipelines.engines import made
from pipelines.engines.costs import SIZES, Cost, Plan, measure, stage_of_engine
from pipelines.errors import LabError
from pipelines.process import environment


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
    known = ",".join(default.engines)
    parser.add_argument("--engines", default=known, help=f"default: {known}")
    for stage in ("stt", "llm", "tts"):
        sizes = "; ".join(
            f"{e}: {','.join(s)}" for e, s in SIZES.items() if stage_of_engine(e) == stage
        )
        parser.add_argument(f"--{stage}", default="", help=f"sizes; default: {sizes}")
    threads = ",".join(map(str, default.threads))
    parser.add_argument("--threads", default=threads, help=f"default: {threads}")
    parser.add_argument("--repeats", type=int, default=default.repeats)
    parser.add_argument("--json", default="", help="a file for every single time")
    given = parser.parse_args(argv)
    engines = tuple(given.engines.split(","))
    if unknown := set(engines) - set(SIZES):
        parser.error(f"no engine {unknown.pop()!r}; known: {', '.join(SIZES)}")
    sizes_of = {}
    for engine in engines:
        asked = getattr(given, stage_of_engine(engine))
        sizes_of[engine] = tuple(asked.split(",")) if asked else SIZES[engine]
    threads_of = tuple(int(n) for n in given.threads.split(","))
    return Plan(engines, sizes_of, threads_of, given.repeats), given.json


def _ready(plan: Plan) -> Plan:
    """Makes what is missing; leaves out what can't be made here, and reports it."""
    engines = []
    for engine in plan.engines:
        if engine == "llama-cpp-python" and environment.find("llama") is None:
            tell("llama-cpp-python is left out: duplex-lab engines build llama (a compiler)")
            continue
        try:
            for size in plan.sizes[engine]:
                made.ensure(engine, made.PREFIX + size, tell)
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
