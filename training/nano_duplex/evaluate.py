"""Evaluates a duplex preset through the harness: plays the held-out set to it, listens to what was
heard, and says of each gate whether it is met.

    python -m training.nano_duplex.evaluate duplex-oracle --fixtures quick,turn_taking
    python -m training.nano_duplex.evaluate --run results/RUN          # what was played already

Frames are judged in conversations of two minutes and more: play session_150s too, in a run of its
own that is named with --also.

The model is never called directly: all figures come from a run's marks and recordings. Its verdicts
are printed, and written into the run's folder as evaluation-PRESET.md and .json.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.recorded.listener import Sphinx, listen
from bench.runner.plan import make_plan
from bench.runner.progress import progress
from bench.runner.run import execute
from bench.store.atomic import atomic_write
from bench.store.results import RESULTS, new_run_id
from bench.store.store import read_json, read_run
from bench.timeline.audible_faults import faults_in
from pipelines.errors import LabError
from pipelines.installation import FIXTURES_VARIABLE
from training.nano_duplex import forced
from training.nano_duplex.gates import CodecFigures, WordCount
from training.nano_duplex.verdicts import as_json, evaluate, markdown, typical


def main(argv: Sequence[str] | None = None) -> None:
    """Command line: an expected error is one sentence on stderr."""
    try:
        _run(_parser().parse_args(argv))
    except LabError as error:
        print(f"evaluate: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("preset", nargs="?", help="a preset's name, or its .toml file")
    parser.add_argument("--fixtures", default="all", help="as of duplex-lab run (default: all)")
    parser.add_argument("--folder", type=Path, help="of the held-out fixtures; default: shipped")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--out", type=Path, help="of the run; default results/<time>-<preset>")
    parser.add_argument("--run", type=Path, help="judge this run, and play nothing")
    parser.add_argument("--also", type=Path, nargs="+", default=[], help="more runs of the preset")
    parser.add_argument("--sentences", type=Path, help="for the recogniser, one a line")
    parser.add_argument("--codec", type=Path, help=f"JSON: {', '.join(_CODEC)}")
    parser.add_argument("--forced", type=Path, help="sentences to be forced, one a line (gate 3)")
    parser.add_argument("--most", type=int, default=40, help="of these sentences")
    parser.add_argument("--reference", type=Path, help="recordings of the voice it learnt from")
    parser.add_argument("--failures", type=int, default=20, help="how many to print")
    return parser


_CODEC = [f.name for f in fields(CodecFigures)]


def _run(args: argparse.Namespace) -> None:
    if args.folder is not None:
        # The caller, and an oracle in its own process, look for fixtures here.
        os.environ[FIXTURES_VARIABLE] = str(args.folder.resolve())
    codec = read_codec(args.codec) if args.codec else None
    reference = typical([faults_in(*_read(p)) for p in _sounds(args.reference)])
    counted: list[WordCount] | None = None
    if args.run is not None:
        run_dir = args.run
        played = list(dict.fromkeys(trial.preset for trial in read_run(run_dir).trials))
        presets = [args.preset] if args.preset else played
        recogniser = Sphinx(args.sentences)
    elif args.preset is None:
        raise LabError("name a preset to play the fixtures to, or a run with --run.")
    else:
        plan = make_plan(args.preset, args.fixtures, args.repeats)
        (spec,) = plan.specs
        run_dir, presets = args.out or RESULTS / new_run_id([spec.name]), [spec.name]
        recogniser = Sphinx(args.sentences)
        with progress() as watch:
            execute(plan, run_dir, resume=True, watch=watch, retries=2)
            if args.forced is not None:
                sentences = forced.read_sentences(args.forced, args.most)
                shortest = min(plan.fixtures, key=lambda f: f.duration_s)
                spoken = forced.force(spec, sentences, shortest, run_dir / "forced", watch)
                counted = forced.counts(spoken, recogniser)
    listened = [listen(path, recogniser, recogniser.described) for path in (run_dir, *args.also)]
    runs = [run for run, _ in listened]
    for preset in presets:
        found = evaluate(runs, preset, forced=counted, codec=codec, reference=reference)
        text = markdown(found, args.failures)
        print(text)
        written = json.dumps(as_json(found), indent=2, ensure_ascii=False, allow_nan=False)
        atomic_write(run_dir / f"evaluation-{preset}.md", text.encode())
        atomic_write(run_dir / f"evaluation-{preset}.json", f"{written}\n".encode())


def read_codec(path: Path) -> CodecFigures:
    """The codec's own figures.

    Raises:
        LabError: the file is missing or does not hold them.
    """
    table = read_json(path)
    if table is None:
        raise LabError(f"--codec {path}: there is no such file; the codec's evaluation writes it.")
    unknown = sorted(set(table) - set(_CODEC))
    if unknown or not all(isinstance(v, int | float) for v in table.values()):
        raise LabError(
            f"--codec {path}: needs numbers under {', '.join(_CODEC)}"
            + (f", not {unknown[0]!r}." if unknown else ".")
        )
    return CodecFigures(**table)


def _sounds(folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    found = sorted(p for p in folder.glob("*") if p.suffix in (".wav", ".flac"))
    if not found:
        raise LabError(f"--reference {folder}: holds no .wav or .flac; give a folder of some.")
    return found


def _read(path: Path) -> tuple[NDArray[np.float64], int]:
    import soundfile

    pcm, rate_hz = soundfile.read(path, dtype="float64", always_2d=True)
    return pcm[:, 0], int(rate_hz)


if __name__ == "__main__":
    main()
