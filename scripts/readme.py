"""Fills the tables and the picture of README.md and docs/bench.md from a real run; none by hand.

python scripts/readme.py                      the README's headline, off docs/bench.md
python scripts/readme.py --run results/<run>  the whole table, the headline and the picture
python scripts/readme.py --full results/<run> the tables of `make bench-full`
python scripts/readme.py --calibration FILE   what `duplex-lab calibrate --json FILE` wrote
python scripts/readme.py --service FILE       what `duplex-lab service … --json FILE` wrote; it goes
                                              into results/README.md

A new table renews bench/machine/costs.toml, too: with a probe where the table is of this machine.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

README = ROOT / "README.md"
BENCH = ROOT / "docs" / "bench.md"


def made(run_dir: Path, command: str = "make bench") -> str:
    """What the run was made of and on."""
    from bench.store.store import read_run

    run = read_run(run_dir)
    machine = run.info["machine"]
    load = [t.load_avg_1m for t in run.trials if t.load_avg_1m is not None]
    return (
        f"`{command}` on {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['memory_gb']:.0f} GB, Python {machine['python']}, commit "
        f"{str(machine['commit']['sha'])[:10]}; load average {min(load):.1f} to {max(load):.1f}:"
    )


def headline(run_dir: Path, command: str = "make bench") -> str:
    """The run's headline as Markdown: a row a preset, slow turns with their cause, verdicts."""
    from bench.report.text.first_look.headline import headline as of_summary
    from bench.report.text.first_look.headline import sentences
    from bench.report.text.listing import markdown_of
    from bench.store.store import read_causes, read_metrics, read_run
    from bench.summary.summary import summarise

    rows = read_metrics(run_dir)
    summary = summarise(read_run(run_dir), rows, read_causes(run_dir))
    said = sentences(summary, Path("results/RUN"))
    block = markdown_of(of_summary(summary).block())
    return "\n\n".join(
        [made(run_dir, command), block.strip(), "\n".join(f"- {one}" for one in said)]
    )


def table(run_dir: Path) -> str:
    """The run's whole tables as Markdown."""
    from bench.report.text.table import markdown
    from bench.store.store import read_metrics, read_run
    from bench.summary.summary import summarise

    tables = markdown(summarise(read_run(run_dir), read_metrics(run_dir))).strip()
    return f"{made(run_dir)}\n\n{tables}"


def full(run_dir: Path) -> str:
    """The headline of ``make bench-full``, and its tables down to the frames, as Markdown."""
    from bench.report.text.table import markdown
    from bench.store.store import read_metrics, read_run
    from bench.summary.summary import summarise

    tables = markdown(summarise(read_run(run_dir), read_metrics(run_dir))).strip()
    first = tables.partition("\n**In the conversation")[0].strip()
    return f"{headline(run_dir, 'make bench-full')}\n\n{first}"


def calibration(file: Path) -> str:
    """The calibration's figures as a Markdown table."""
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    machine = found["machine"]
    lines = [
        f"`duplex-lab calibrate` on {machine['cpu']}, {machine['cores']} cores (caller's priority: "
        f"{found['caller_priority']}). The ruler's error is heard − (stamped write + offset in the "
        "chunk); the sizes of errors at p99 and max.",
        "",
        "| | n | median ms | p99 ms | max ms |",
        "|---|---|---|---|---|",
    ]
    for state, words in (("idle", "idle"), ("load", "while the embedded cascade works")):
        for kind, of, label in (
            ("all clicks", "ruler", "clicks: the ruler's error"),
            ("words", "detector", "words: heard − first phone's label"),
        ):
            row = found.get(state, {}).get(kind, {}).get(of)
            if row:
                lines.append(
                    f"| {words}, {label} | {row['n']} | {row['median_ms']:+.3f} | "
                    f"{row['p99_ms']:.3f} | {row['max_ms']:.3f} |"
                )
    return "\n".join(lines)


def service_table(file: Path) -> str:
    """The service times of several sizes as a Markdown table."""
    from bench.probes.frame_times import Block, paired_ratios, service

    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    machine = found["machine"]
    lines = [
        f"`duplex-lab service` on {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['memory_gb']:.0f} GB, commit {str(machine['commit']['sha'])[:10]}, load average "
        f"{machine['load_avg'][0]:.1f}. Unpaced, synthetic weights, ms per 80 ms frame; p99 from "
        "100 frames on.",
        "",
        "| preset | backend | stages | n | encode p50 | step p50 | decode p50 | p50 | p99 | p50 "
        "overlapped |",
        f"|{'---|' * 10}",
    ]
    for row in found["presets"]:
        blocks = [Block(**block) for block in row["blocks"]]
        backend = f"{row['model']['backend']} {row['model']['precision']}"
        ratios = ", ".join(f"{100 * (ratio - 1):+.1f} %" for ratio in paired_ratios(blocks))
        for way in ("serial", "pipelined"):
            if of := service(way, blocks):
                spans = [f"{of.spans_p50_ms[s]:.1f}" for s in ("encode", "step", "decode")]
                p99 = "–" if of.p99_ms is None else f"{of.p99_ms:.1f}"
                cells = (row["preset"], backend, way, str(of.n), *spans, f"{of.p50_ms:.1f}", p99)
                lines.append(f"| {' | '.join(cells)} | {ratios if way == 'pipelined' else ''} |")
    return "\n".join(lines)


def renew_costs(source: str, machine: dict[str, Any]) -> None:
    """Makes the costs of ``source`` those of the new table, which is of that machine."""
    import costs

    from bench.machine.description import describe

    here = describe()
    is_here = all(here[part] == machine[part] for part in ("cpu", "cores"))
    costs.renew(source if is_here else "")
    if not is_here:
        print(f"On the machine of that table: python scripts/costs.py --probe {source}")


def filled(text: str, name: str, content: str) -> str:
    """The text with the section between ``<!-- name -->`` and ``<!-- /name -->`` replaced."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    head, _, rest = text.partition(begin)
    _, _, tail = rest.partition(end)
    return f"{head}{begin}\n{content}\n{end}{tail}"


def section(text: str, name: str) -> str:
    """The text between the two marks of a section."""
    return text.partition(f"<!-- {name} -->\n")[2].partition(f"\n<!-- /{name} -->")[0]


def main() -> None:
    """Rewrites README.md, docs/bench.md and results/README.md."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--run", type=Path, help="a run's folder")
    parser.add_argument("--full", type=Path, help="the folder of a run of `make bench-full`")
    parser.add_argument("--calibration", type=Path, help="a calibration's JSON file")
    parser.add_argument("--service", type=Path, help="service times, a JSON file")
    chosen = parser.parse_args()
    text = BENCH.read_text(encoding="utf-8")
    if chosen.run:
        text = filled(text, "headline", headline(chosen.run))
        text = filled(text, "table", table(chosen.run))
        shutil.copy(chosen.run / "report.png", ROOT / "docs" / "report.png")
    if chosen.full:
        text = filled(text, "full", full(chosen.full))
    if chosen.calibration:
        text = filled(text, "calibration", calibration(chosen.calibration))
    BENCH.write_text(text, encoding="utf-8")
    readme = README.read_text(encoding="utf-8")
    readme = filled(readme, "headline", section(text, "headline"))
    README.write_text(readme, encoding="utf-8")
    if chosen.service:
        results = ROOT / "results" / "README.md"
        text = filled(results.read_text(encoding="utf-8"), "service", service_table(chosen.service))
        results.write_text(text, encoding="utf-8")
    if chosen.run:
        from bench.store.store import read_run

        renew_costs("cascade", read_run(chosen.run).info["machine"])
    if chosen.service:
        found = json.loads(chosen.service.read_text(encoding="utf-8"))
        renew_costs("duplex", found["machine"])


if __name__ == "__main__":
    main()
