"""``duplex-lab algorithmic-latency PRESET``: how soon this implementation could answer at all."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.report.text.console import console

if TYPE_CHECKING:
    from bench.probes.algorithmic_latency import Floor

NO_RESPONSE = 1
"""Exit code when nothing that the user said changed what the model said."""


def algorithmic_latency(
    preset: Annotated[str, typer.Argument(help="A duplex preset.")],
    positions: Annotated[
        int, typer.Option(min=1, help="Number of frames that are perturbed.")
    ] = 20,
    seed: Annotated[
        int, typer.Option(help="Seed of the signal, the noise, and the choice of frames.")
    ] = 0,
    say: Annotated[
        str | None,
        typer.Option(
            help="Text that it is made to say meanwhile, in its own words; '': none.",
            show_default="the preset's probe_text",
        ),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all figures to this file.")
    ] = None,
) -> None:
    """Measure the algorithmic latency of a duplex implementation, whatever its speed.

    One frame of the user is replaced by noise, in a run of its own with greedy sampling; the first
    frame of speech whose content then differs depends on it. Counted from the first sample of the
    perturbed frame. A model that listens in silence may say nothing that a frame could change: make
    it speak (--say). Exit code 1: noise in place of a single frame changes nothing that the model
    says.
    """
    from bench.machine import description as machine
    from bench.probes.algorithmic_latency import measure
    from bench.probes.model_sessions import acoustic_frames, greedy, sessions
    from bench.store.atomic import atomic_write
    from pipelines.duplex.processes import describe, duplex_process
    from pipelines.marks import MarkList
    from pipelines.registry import architecture, load_object
    from pipelines.spec import load_spec

    spec = load_spec(preset)
    model = greedy(spec)
    if provide := architecture(spec.architecture).provide:
        load_object(provide)(spec, _tell)
    d = describe(model, spec.stages["processor"], spec.stages["script"])
    process = duplex_process(
        model,
        processor=spec.stages["processor"],
        script=spec.stages["script"],
        marks=MarkList(),
    )
    text = model.probe_text if say is None else say
    with sessions(process, model.seed, text) as run:
        found = measure(
            run,
            positions=positions,
            seed=seed,
            acoustic_frames=acoustic_frames(d.options["options"].get("config")),
            progress=lambda done: (
                _tell(f"position {done} of {positions}") if done % 5 == 0 else None
            ),
        )
    name = f"{spec.name} ({model.id}, {model.backend}, {model.precision}, {spec.weights} weights)"
    for line in told(name, found, text):
        console().line(line)
    if json_file is not None:
        rows = {"preset": spec.name, "model": dataclasses.asdict(model), "seed": seed, "say": text}
        rows |= {"machine": machine.describe()} | found.to_dict()
        atomic_write(json_file, (json.dumps(rows, indent=2) + "\n").encode())
    if found.frames is None:
        raise typer.Exit(NO_RESPONSE)


def told(name: str, found: Floor, text: str = "") -> Iterator[str]:
    """The findings in lines of text; ``text``: the text that it was made to say."""
    from pipelines.duplex.session.model import FRAME_MS

    n = len(found.responses)
    if found.frames is None:
        yield f"{name}: no algorithmic latency, for there is no response to content of one frame"
        yield (
            f"noise in place of one frame of the user, at {n} positions, changed nothing that the "
            "model said in the next second: its words depend on no single frame, or on none at all"
        )
        if not text:
            yield "if it listened in silence, make it speak meanwhile: --say TEXT"
        return
    yield f"{name}: floor {_frames(found.frames)} = {found.ms:g} ms"
    for what, frames in found.derivation():
        yield f"  {_frames(frames):>9} = {frames * FRAME_MS:3g} ms  {what}"
    yield "counted from the first sample of the perturbed frame; the model computes in no time"
    if text:
        yield f"while it was made to say {text!r}"
    if found.detail_frames is not None and found.detail_frames < found.frames:
        yield (
            f"fine detail of the speech (codebooks 2–8 of a frame decided before) differs from "
            f"{_frames(found.detail_frames)} = {found.detail_frames * FRAME_MS:g} ms on"
        )
    parts = [f"{_frames(frames)} at {count}" for frames, count in found.spread.items()]
    if found.silent:
        parts.append(f"no response within a second at {len(found.silent)}")
    yield f"spread over {n} positions: {', '.join(parts)} (the minimum counts)"


def _frames(n: int) -> str:
    return f"{n} frame" if n == 1 else f"{n} frames"


def _tell(words: str) -> None:
    print(words, file=sys.stderr, flush=True)
