"""Fills the tables of docs/endpointing.md from what was measured; no figure is typed by hand.

    python scripts/endpointing_tables.py --methods build/endpointing
    python scripts/endpointing_tables.py --played results/RUN
    python scripts/endpointing_tables.py --conversation results/RUN
    python scripts/endpointing_tables.py --people results/RUN
    python scripts/endpointing_tables.py --slow

--methods: what 'duplex-lab endpointing --out' kept of all methods. --played: whole agents of a run,
and their medians over Pipecat's defaults. --conversation: barge-ins, backchannels and pauses of a
run. --people: a run of 'make bench-people'. --slow: what eager gains with a slow language model; it
is played now, in virtual time, which takes minutes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from readme import filled, made  # noqa: E402  (found by the path above)

from bench.cli.turns.endpointing import AS_PLAYED  # noqa: E402
from bench.compare.pairs import Side, paired  # noqa: E402
from bench.endpointing.played import as_played  # noqa: E402
from bench.fixtures.library import select  # noqa: E402
from bench.report.text.listing import Listing, markdown_of  # noqa: E402
from bench.report.text.table_turn_taking import (  # noqa: E402
    turn_taking_blocks,
    turn_taking_notes,
)
from bench.store import store  # noqa: E402
from bench.summary.summary import summarise  # noqa: E402
from pipelines.spec import PRESETS, parse_spec  # noqa: E402

PAGE = ROOT / "docs" / "endpointing.md"
BASE = "cascade-stock"
"""What a newcomer would get: each figure's ratio is to its own."""
DRAWN = 2000
"""Resamplings of a ratio's interval."""
TTFT_MS = (0, 300, 800)
"""First tokens of the slow language models, ms."""
PLAIN, EAGER = "cascade-embedded", "cascade-eager"
SINGLE = "command,question,greeting,correction,hesitation,long,refusal"
EVERY = 8
"""Of the fixtures of one turn, so many are passed over: nobody chose who is heard with a slow
language model."""


def played(folder: Path, command: str) -> str:
    """Whole agents of a run, and how many times the base's median they take."""
    block = Listing("as_played", AS_PLAYED, tuple(as_played(folder)), "").block()
    ratios = "\n".join(f"- {line}" for line in medians_apart(folder))
    return "\n\n".join(part for part in (made(folder, command), markdown_of(block), ratios) if part)


def medians_apart(folder: Path) -> Iterator[str]:
    """Each preset's median against the base's on the turns that both answered, with an interval."""
    run, rows = store.read_run(folder), store.read_metrics(folder)
    presets = list(dict.fromkeys(trial.preset for trial in run.trials))
    base = BASE if BASE in presets else presets[-1]
    sides = {name: Side.of(run.run_id, name, run.trials, rows) for name in presets}
    for name in presets:
        if name == base:
            continue
        pairs = paired(sides[base], sides[name], "voice_to_voice", is_rate=False)
        if len(pairs.keys) < 2:
            continue
        ratio, low, high = ratio_of_medians(pairs.base, pairs.candidate)
        yield (
            f"{name} / {base}, medians of {len(pairs.keys)} turns that both answered: "
            f"**{ratio:.2f}** [{low:.2f}–{high:.2f}]"
        )


def ratio_of_medians(base: Sequence[float], other: Sequence[float]) -> tuple[float, float, float]:
    """Median over median, and its 95 % interval by resampling the turns."""
    table = np.array([base, other])
    rng = np.random.default_rng(0)
    drawn = table[:, rng.integers(0, table.shape[1], (DRAWN, table.shape[1]))]
    middle = np.median(drawn, axis=2)
    low, high = np.percentile(middle[1] / middle[0], [2.5, 97.5])
    of_all = np.median(table, axis=1)
    return float(of_all[1] / of_all[0]), float(low), float(high)


def conversation(folder: Path) -> str:
    """Turn-taking of a run: the tables of its report, and the stops against the base's."""
    run, rows = store.read_run(folder), store.read_metrics(folder)
    presets = summarise(run, rows).turn_taking
    blocks = [markdown_of(block).strip() for block in turn_taking_blocks(presets)]
    notes = [f"- {note}" for note in turn_taking_notes(presets)]
    base = next((p for p in presets if p.preset == BASE), None)
    for one in presets:
        if base and one is not base and one.stop.value and base.stop.value:
            notes.append(
                f"- {one.preset} / {BASE}, median stop after a barge-in: "
                f"**{one.stop.value / base.stop.value:.2f}**"
            )
    heads = ["### " + block.title for block in turn_taking_blocks(presets)]
    tables = [part for pair in zip(heads, blocks, strict=True) for part in pair]
    return "\n\n".join([made(folder, "the conversation fixtures"), *tables, "\n".join(notes)])


def methods(folder: Path) -> str:
    """All methods of the table, read from what is kept."""
    command = [sys.executable, "-m", "bench.cli.main", "endpointing", "--out", str(folder)]
    found = subprocess.run(
        [*command, "--format", "md"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return found.stdout.strip()


def slow() -> str:
    """What eager gains with a slow language model: medians in virtual time."""
    from tests.bench.chains.virtual_call import call_preset

    heard: dict[tuple[str, int], list[float]] = {}
    for fixture in select(SINGLE)[::EVERY]:
        for preset in (PLAIN, EAGER):
            text = (PRESETS / f"{preset}.toml").read_text(encoding="utf-8")
            for ttft_ms in TTFT_MS:
                own = text.replace("[llm]\n", f"[llm]\nadded_ttft_ms = {ttft_ms}\n")
                call = call_preset(parse_spec(preset, own), fixture, streams=True)
                value = call.ms("voice_to_voice")
                heard.setdefault((preset, ttft_ms), []).append(
                    float("nan") if value is None else value
                )
    return slow_table(heard)


def slow_table(heard: dict[tuple[str, int], list[float]]) -> str:
    """A row for each first token."""
    lines = [
        "| first token, ms | plain, heard p50 ms | eager | gain p50, ms | least | most | turns |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for ttft_ms in TTFT_MS:
        plain, eager = (np.array(heard[p, ttft_ms]) for p in (PLAIN, EAGER))
        gain = plain - eager
        lines.append(
            f"| {ttft_ms} | {np.median(plain):.0f} | {np.median(eager):.0f} | "
            f"{np.median(gain):.0f} | {gain.min():.0f} | {gain.max():.0f} | {len(gain)} |"
        )
    return "\n".join(lines)


def main_run(folder: Path) -> str:
    """The run of the eager cascade beside Pipecat's defaults."""
    return played(folder, "duplex-lab run, interleaved")


def people(folder: Path) -> str:
    """A run of make bench-people."""
    return played(folder, "make bench-people")


SECTIONS: dict[str, Callable[[Path], str]] = {
    "methods": methods,
    "played": main_run,
    "conversation": conversation,
    "people": people,
}


def main() -> None:
    """Rewrites docs/endpointing.md."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name in SECTIONS:
        parser.add_argument(f"--{name}", type=Path, help="a folder")
    parser.add_argument("--slow", action="store_true", help="play it, in virtual time")
    given = parser.parse_args()
    found = {
        name: make(folder) for name, make in SECTIONS.items() if (folder := getattr(given, name))
    }
    if given.slow:
        found["slow"] = slow()
    text = PAGE.read_text(encoding="utf-8")  # late: the page may be written on meanwhile
    for name, content in found.items():
        text = filled(text, name, content)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
