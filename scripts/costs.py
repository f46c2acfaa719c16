"""Makes bench/machine/costs.toml from the tables in docs/bench.md and results/README.md.

python scripts/costs.py                    the tables; the probes of the old file stay
python scripts/costs.py --probe cascade    and probes this machine for the table of docs/bench.md
                                           (duplex: of results/README.md), which must name it
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from bench.machine.core_speed import measure  # noqa: E402
from bench.machine.costs import FILE, load  # noqa: E402  (found by the path above)

HEAD = (
    "# What presets cost where they were measured. Written by scripts/costs.py of the tables that\n"
    "# stand in docs/bench.md and results/README.md; do not edit.\n"
)


def between(text: str, name: str) -> str:
    """The text between two comments of that name."""
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", text, re.DOTALL)
    if found is None:
        raise SystemExit(f"There is no table between <!-- {name} --> and <!-- /{name} -->.")
    return found.group(1)


def tables(text: str) -> list[list[dict[str, str]]]:
    """Every Markdown table of a text, as rows by heading."""
    found = []
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        lines = [[c.strip() for c in line.strip("|").split("|")] for line in block.splitlines()]
        found.append([dict(zip(lines[0], line, strict=True)) for line in lines[2:]])
    return found


def source(text: str) -> str:
    """The line that says how a table was measured."""
    return next(line for line in text.splitlines() if line.strip()).rstrip(": ")


def cascades(text: str) -> list[dict[str, object]]:
    """Voice to voice and endpointing delay, of each preset that holds a conversation."""
    heard, stages = tables(text)[:2]
    waits = {row["preset"]: row["endpointing delay"] for row in stages}
    return [
        {
            "preset": row["preset"],
            "of": "cascade",
            "ms": float(row["p50 [95 %]"].split()[0]),
            "quantile": "p50",
            "waiting_ms": float(waits[row["preset"]]),
            "n": int(row["valid/n"].partition("/")[0]),
            "source": "cascade",
        }
        for row in heard
        if row["weights"] == "trained" and row["preset"] in waits
    ]


def frames(text: str) -> list[dict[str, object]]:
    """Per frame, by preset: the quicker of serial and pipelined."""
    best: dict[str, tuple[float, dict[str, object]]] = {}
    for row in tables(text)[0]:
        quantile = "p99" if row["p99"] != "–" else "p50"
        found = {
            "preset": row["preset"],
            "of": "duplex",
            "ms": float(row[quantile]),
            "quantile": quantile,
            "waiting_ms": 0.0,
            "n": int(row["n"]),
            "source": "duplex",
        }
        median = float(row["p50"])
        if median < best.get(row["preset"], (float("inf"), found))[0]:
            best[row["preset"]] = (median, found)
    return [found for _, found in best.values()]


def made(bench: str, results: str, speeds: Mapping[str, Mapping[str, float]]) -> str:
    """The file's text.

    Args:
        bench: Text of docs/bench.md.
        results: Text of results/README.md.
        speeds: Source → the probe of the machine that it names.
    """
    cascade, service = between(bench, "table"), between(results, "service")
    text = HEAD + "\n[sources]\n"
    for name, table in (("cascade", cascade), ("duplex", service)):
        text += f"{name} = {json.dumps(source(table), ensure_ascii=False)}\n"
    for name, speed in speeds.items():
        text += f"\n[speed.{name}]\n" + "".join(f"{k} = {v:.2f}\n" for k, v in speed.items())
    for row in [*cascades(cascade), *frames(service)]:
        text += "\n[[cost]]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in row.items())
    return text


def renew(probe: str = "") -> None:
    """Writes the file anew.

    Args:
        probe: Source whose table names this machine, which is probed anew; empty: none.
    """
    speeds = {name: asdict(speed) for name, speed in load().speeds.items()}
    if probe:
        speeds[probe] = asdict(measure())
    bench = (ROOT / "docs" / "bench.md").read_text(encoding="utf-8")
    results = (ROOT / "results" / "README.md").read_text(encoding="utf-8")
    FILE.write_text(made(bench, results, speeds), encoding="utf-8")
    print(FILE)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--probe", choices=("cascade", "duplex"), help="probe this machine anew for this source"
    )
    renew(parser.parse_args().probe or "")


if __name__ == "__main__":
    main()
