"""What a person should hear and see of duplex-nano: a sheet of spectrograms of what it said, each
beside the voice that it learnt from on the same words, and the recordings of both.

    python -m training.nano_duplex.listen results/RUN --preset duplex-nano --out build/nano/listen

The answers are taken evenly from those that were heard, so that nobody chooses the best.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.store.atomic import atomic_write
from bench.store.recording import AGENT
from bench.store.store import Run, read_run
from bench.timeline.replies import answer_span
from bench.timeline.timeline import reconstruct
from pipelines.clock import ns_to_samples
from pipelines.errors import LabError
from training.nano_duplex.monologue import replies_in_text, text_of

MOST = 20
COLUMNS = 2
"""Pairs beside each other on the sheet."""
MARGIN_S = 0.1
WINDOW, HOP = 768, 240
"""Of the spectrogram at 24 kHz: 32 and 10 ms."""
TOP_HZ = 8000
RANGE_DB = 70.0

Pcm = NDArray[np.float64]
Speak = Callable[[str], tuple[Pcm, int]]
"""A text → the original voice's recording of it, (n,) in ±1, and its rate."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, as heard."""

    name: str
    """``NN-fixture-turn``: of its files."""
    text: str
    """What the agent meant to say."""
    heard: Pcm
    """(n,) in ±1."""
    rate_hz: int


@dataclass(frozen=True, slots=True)
class Pair:
    """An answer beside the original."""

    answer: Answer
    original: Pcm | None
    """At the answer's rate; None where there is no such voice."""


def answers(run: Run, preset: str, most: int = MOST) -> list[Answer]:
    """Answers that were heard and told, evenly taken from all of a preset's.

    Raises:
        LabError: there is none.
    """
    found = list(_all(run, preset))
    if not found:
        raise LabError(f"{run.path}: {preset!r} said nothing there that could be listened to.")
    chosen = sorted({round(i) for i in np.linspace(0, len(found) - 1, min(most, len(found)))})
    return [
        Answer(f"{n + 1:02d}-{found[i].name}", found[i].text, found[i].heard, found[i].rate_hz)
        for n, i in enumerate(chosen)
    ]


def _all(run: Run, preset: str) -> Iterator[Answer]:
    for trial in run.trials:
        recording = run.recording(trial)
        if trial.preset != preset or trial.warmup or recording is None:
            continue
        timeline = reconstruct(trial, run.marks(trial.trial_id), recording)
        said = tuple(replies_in_text(timeline, run.labels(trial.fixture)))
        for turn in timeline.turns:
            span, text = answer_span(timeline, turn), text_of(turn, said)
            if span is None or not text:
                continue
            edge = round(MARGIN_S * trial.rate_hz)
            start, end = (ns_to_samples(t - trial.t0_ns, trial.rate_hz) for t in span)
            heard = recording[max(0, start - edge) : end + edge, AGENT] / 32768
            yield Answer(f"{trial.fixture}-{turn.number}", text, heard, trial.rate_hz)


def beside(found: Sequence[Answer], speak: Speak | None) -> list[Pair]:
    """Each answer with the original voice's recording of its words."""
    from pipelines.audio.resample import resample

    pairs = []
    for answer in found:
        original = None
        if speak is not None:
            pcm, rate_hz = speak(answer.text)
            original = resample(np.asarray(pcm, np.float64), rate_hz, answer.rate_hz)
        pairs.append(Pair(answer, original))
    return pairs


def spectrogram_db(pcm: Pcm, rate_hz: int) -> NDArray[np.float64]:
    """Levels of a recording: (bins up to `TOP_HZ`, frames), dB, 0 for a full-scale sine."""
    padded = np.pad(pcm, (WINDOW // 2, WINDOW))
    windows = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    shape = np.hanning(WINDOW)
    spectra = np.abs(np.fft.rfft(windows * shape, axis=1)) * 2 / shape.sum()
    bins = int(TOP_HZ * WINDOW / rate_hz) + 1
    return np.asarray(20 * np.log10(np.maximum(spectra[:, :bins].T, 1e-6)))


def draw(pairs: Sequence[Pair], path: Path) -> None:
    """Draws the sheet: in each pair the answer as heard on the left, the original on the right."""
    import io

    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = -(-len(pairs) // COLUMNS)
    figure = Figure(figsize=(4.4 * COLUMNS, 1.15 * rows), dpi=110, layout="constrained")
    axes = figure.subplots(rows, 2 * COLUMNS, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for i, pair in enumerate(pairs):
        row, column = i % rows, 2 * (i // rows)
        answer = pair.answer
        _show(axes[row, column], answer.heard, answer.rate_hz, f"{answer.name}: {answer.text}")
        if pair.original is not None:
            _show(axes[row, column + 1], pair.original, answer.rate_hz, "original")
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png")
    atomic_write(path, buffer.getvalue())


def _show(axis: Any, pcm: Pcm, rate_hz: int, title: str) -> None:
    levels = spectrogram_db(pcm, rate_hz)
    top = float(levels.max())
    axis.imshow(levels, origin="lower", aspect="auto", vmin=top - RANGE_DB, vmax=top, cmap="magma")
    axis.set_title(title if len(title) < 44 else f"{title[:42]}…", fontsize=5, loc="left", pad=1)


def write(pairs: Sequence[Pair], out: Path) -> None:
    """Writes the sheet, ``sheet.png``, and a FLAC of each recording."""
    import soundfile

    out.mkdir(parents=True, exist_ok=True)
    for pair in pairs:
        rate_hz = pair.answer.rate_hz
        soundfile.write(out / f"{pair.answer.name}.flac", pair.answer.heard, rate_hz)
        if pair.original is not None:
            soundfile.write(out / f"{pair.answer.name}.original.flac", pair.original, rate_hz)
    lines = [f"{pair.answer.name}: {pair.answer.text}" for pair in pairs]
    (out / "texts.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    draw(pairs, out / "sheet.png")


def agent_voice() -> Speak | None:
    """The voice that the agent learnt from; None where it can't be synthesised here."""
    try:
        from training.nano_duplex.speech import speak
        from training.nano_duplex.voices import AGENT as VOICE
    except ImportError:
        return None
    return lambda text: (np.asarray(speak(text, VOICE).pcm, np.float64), 24_000)


def main(argv: Sequence[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--preset", default="duplex-nano")
    parser.add_argument("--out", type=Path, default=Path("build/nano/listen"))
    parser.add_argument("--most", type=int, default=MOST)
    args = parser.parse_args(argv)
    try:
        found = answers(read_run(args.run), args.preset, args.most)
        pairs = beside(found, agent_voice())
        write(pairs, args.out)
    except LabError as error:
        print(f"listen: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    lacking = sum(pair.original is None for pair in pairs)
    note = f"; {lacking} without an original: its voice is not here" if lacking else ""
    print(f"{len(pairs)} answers, as FLAC and on {args.out / 'sheet.png'}{note}")


if __name__ == "__main__":
    main()
