"""``duplex-lab replay``: the effect of a jitter buffer on a recorded run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.report.text.console import console
from pipelines.errors import LabError

if TYPE_CHECKING:
    from bench.stats.format import Block
    from bench.timeline.replay import Playout, Stream


def replay(
    what: Annotated[
        str, typer.Argument(metavar="RUN[/TRIAL]", help="A run's folder, or one trial in it.")
    ],
    step_ms: Annotated[
        int, typer.Option("--step", help="Step of the pre-rolls printed, ms.", min=20)
    ] = 20,
) -> None:
    """Play a run's audio again behind a jitter buffer, with pre-rolls of 0 to 500 ms.

    For each: how many underruns there would have been, the silence that they make, and the delay
    that it adds, as it is and with audio stretched (pitch kept) while the queue is short.
    """
    from bench.store import store
    from bench.timeline.replay import PREROLLS_MS, STRETCH_HOLD_BACK_MS, stream_of, sweep

    path = Path(what)
    folder, wanted = (path, None) if path.is_dir() else (path.parent, path.name)
    if wanted is not None and not (folder / "run.json").is_file():
        raise LabError(f"{what}: there is no such run; name a run's folder, or FOLDER/TRIAL.")
    run = store.read_run(folder)
    trials = [run.trial(wanted)] if wanted else [t for t in run.trials if not t.warmup]
    streams: dict[str, list[Stream]] = {}
    for trial in trials:
        marks = sorted(run.marks(trial.trial_id), key=lambda mark: mark.t_ns)
        stream = stream_of(marks, trial.rate_hz)
        if stream is not None:
            streams.setdefault(trial.preset, []).append(stream)
    if not streams:
        raise LabError(f"{what}: nothing was emitted in it, so there is nothing to replay.")
    out = console()
    for preset, own in streams.items():
        prerolls = [ms for ms in PREROLLS_MS if ms % step_ms == 0]
        out.table(_block(preset, len(own), sweep(own, prerolls)))
        out.line()
    out.say(
        "B: pre-roll at the start and after each underrun. added: heard − emitted. stretch: "
        "at most 1.3 times as long, while the queue is shorter than B; "
        f"{STRETCH_HOLD_BACK_MS:.0f} ms of hold-back are in its delay.",
        "dim",
    )


def _block(preset: str, trials: int, found: Sequence[tuple[Playout, Playout]]) -> Block:
    from bench.stats.format import Block

    count = "1 trial" if trials == 1 else f"{trials} trials"
    return Block(
        f"Playout of {preset}, {count} (ms)",
        (
            "B",
            "underruns per min",
            "silent",
            "added p50",
            "added max",
            "stretched: underruns per min",
            "silent",
            "added p50",
            "added max",
            "longer by",
        ),
        tuple(
            (f"{plain.preroll_ms:.0f}", *_cells(plain), *_cells(longer), _percent(longer.factor))
            for plain, longer in found
        ),
    )


def _cells(p: Playout) -> tuple[str, ...]:
    return (
        f"{p.underruns_per_min:.1f}",
        f"{p.silent_ms:.0f}",
        f"{p.delay_p50_ms:.0f}",
        f"{p.delay_max_ms:.0f}",
    )


def _percent(factor: float) -> str:
    return f"{100 * (factor - 1):.1f} %"
