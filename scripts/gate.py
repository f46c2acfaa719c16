"""The release gate: a quick run of every embedded preset, against this machine's last kept run.

`make gate` calls it when the checks have passed. It measures (or takes ``--run``), compares, and
writes docs/benchmark-results.md. Where no gate is broken the run is kept: ``results/kept.jsonl``
names it, and the next one is compared with it. Exit codes: 0, or 1 where a gate is broken.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from bench.compare.comparable import NotComparableError, Origin, check_runs  # noqa: E402
from bench.store.atomic import atomic_write  # noqa: E402
from bench.store.store import read_run  # noqa: E402
from pipelines.errors import LabError  # noqa: E402

RESULTS = ROOT / "results"
KEPT = RESULTS / "kept.jsonl"
DOCUMENT = ROOT / "docs" / "benchmark-results.md"
CASCADES = ("cascade-embedded", "cascade-stock")
DUPLEX = ("duplex-tiny", "duplex-scripted-86ms")
"""Presets that need nothing from elsewhere."""
FIXTURES = "quick,duplex:session_150s"
GATES = {
    CASCADES: ("voice_to_voice.p50<=1.10x", "no_answer.rate<=+10%"),
    DUPLEX: ("frame_latency_p50.p50<=1.10x",),
}
"""Presets → the gates that they must pass."""


def lab(*words: str | Path) -> int:
    """Runs a command of duplex-lab; returns its exit code."""
    command = [sys.executable, "-m", "bench.cli.main", *map(str, words)]
    return subprocess.run(command, cwd=ROOT).returncode


def kept() -> Iterator[Path]:
    """The runs that were kept and still exist, the newest first."""
    if KEPT.is_file():
        for line in reversed(KEPT.read_text(encoding="utf-8").splitlines()):
            folder = RESULTS / json.loads(line)["run"]
            if folder.is_dir():
                yield folder


def last_of_this_machine(run: Path) -> Path | None:
    """The last kept run of this run's machine."""
    own = Origin(str(run), read_run(run).info, 0)
    for folder in kept():
        try:
            check_runs(Origin(str(folder), read_run(folder).info, 0), own, across_machines=False)
        except NotComparableError:
            continue
        except LabError as error:
            print(f"duplex-lab: passed over: {error}")
            continue
        return folder
    return None


def compared(base: Path, run: Path) -> tuple[bool, str]:
    """Compares the run with the base.

    Returns:
        Whether a gate is broken, and the comparison as Markdown.
    """
    broken, texts = False, []
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "compared.md"
        for presets, gates in GATES.items():
            words = [word for gate in gates for word in ("--gate", gate)]
            code = lab(
                "compare", base, run, "--presets", ",".join(presets), *words, "--markdown", text
            )
            broken |= code == 1
            if text.is_file():
                texts.append(text.read_text(encoding="utf-8"))
                text.unlink()
            else:
                texts.append("Could not be compared.")
    return broken, "\n".join(texts)


def document(run: Path, base: Path | None, comparison: str, *, given: bool = False) -> str:
    """The page: how it was made, the run's tables, the comparison."""
    with tempfile.TemporaryDirectory() as folder:
        tables = Path(folder) / "report.md"
        if lab("report", run, "--format", "md", "--out", tables):
            raise LabError(f"{run}: no report could be made of it; see above.")
        report = tables.read_text(encoding="utf-8")
    how = " It was given by `--run`, not measured by that command." if given else ""
    against = comparison if base else "There was no kept run of this machine to compare with."
    return "\n".join(
        (
            "# Benchmark results",
            "",
            f"Written by `make gate` on {datetime.now(UTC):%Y-%m-%d} from the run `{run.name}`."
            + how,
            "",
            report.strip(),
            "",
            f"## Against the last kept run, `{base.name}`" if base else "## Against the last run",
            "",
            against.strip(),
            "",
        )
    )


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, help="take this run instead of measuring")
    args = parser.parse_args()
    run: Path = args.run or RESULTS / f"gate-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    if args.run is None:
        presets = ",".join((*CASCADES, *DUPLEX))
        code = lab("run", "--presets", presets, "--fixtures", FIXTURES, "--out", run)
        if code:
            return code
    base = last_of_this_machine(run)
    broken, comparison = compared(base, run) if base else (False, "")
    atomic_write(DOCUMENT, document(run, base, comparison, given=args.run is not None).encode())
    print(f"{DOCUMENT.relative_to(ROOT)} is written from {run.name}")
    if broken:
        print("duplex-lab: a gate is broken (above): the run is not kept", file=sys.stderr)
        return 1
    line = json.dumps({"run": run.name, "kept_utc": datetime.now(UTC).isoformat("T", "seconds")})
    with KEPT.open("a", encoding="utf-8") as file:
        file.write(line + "\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        print(f"duplex-lab: {error}", file=sys.stderr)
        sys.exit(2)
