"""What does Whisper's short window cost in accuracy, and what does it save in time?

    python scripts/whisper_window_cost.py MODEL [--fixtures quick] [--device cpu] [--threads 1]
    python scripts/whisper_window_cost.py MODEL --audio FOLDER      # NAME.wav and NAME.txt each

Whisper was trained on windows of 30 s; window = "short" encodes only what is there. MODEL is the id
or the folder of one with real weights: random ones understand nothing, and are refused. Each piece
of audio is recognised with both windows; word error rates are of all words together, their
difference has a 95 % interval from a bootstrap over the pieces.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.fixtures.library import read_pcm, select
from pipelines.audio.resample import resample
from pipelines.engines.model_files import has_random_weights, model_path
from pipelines.engines.options import SttOptions
from pipelines.engines.processes import stt_engine
from pipelines.errors import LabError
from pipelines.marks import MarkList
from pipelines.process import environment
from pipelines.process.process import ModelProcess

RATE_HZ = 16000
_ROUNDS = 2000


@dataclass(frozen=True)
class Piece:
    """One recording and its words."""

    name: str
    pcm: np.ndarray
    words: tuple[str, ...]


def words_of(text: str) -> tuple[str, ...]:
    """Lower case, without punctuation."""
    return tuple(re.sub(r"[^a-z0-9' ]+", " ", text.lower()).split())


def errors(said: tuple[str, ...], heard: tuple[str, ...]) -> int:
    """Number of words to insert, delete or replace."""
    row = list(range(len(heard) + 1))
    for i, a in enumerate(said, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(heard, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def difference(full: list[int], short: list[int], words: list[int]) -> tuple[float, float, float]:
    """Short minus full in word error rate, and its 95 % interval over pieces."""
    table = np.array([full, short, words], float)
    rng = np.random.default_rng(0)
    drawn = table[:, rng.integers(0, table.shape[1], (_ROUNDS, table.shape[1]))].sum(axis=2)
    rates = (drawn[1] - drawn[0]) / drawn[2]
    low, high = np.percentile(rates, [2.5, 97.5])
    return float((table[1].sum() - table[0].sum()) / table[2].sum()), float(low), float(high)


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("--fixtures", default="quick", help="a set of fixtures")
    parser.add_argument("--audio", default="", help="a folder of NAME.wav with NAME.txt")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda", "auto"))
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args(argv)
    try:
        model_path("faster-whisper", given.model)
        if has_random_weights("faster-whisper", given.model):
            raise LabError(
                f"{given.model} has random weights, which understand nothing: name trained ones."
            )
        pieces = _folder(Path(given.audio)) if given.audio else _fixtures(given.fixtures)
        asyncio.run(_compare(given, pieces))
    except LabError as error:
        print(f"whisper_window_cost: {error}", file=sys.stderr)
        return 2
    return 0


async def _compare(given: argparse.Namespace, pieces: list[Piece]) -> None:
    windows: tuple[Literal["full", "short"], ...] = ("full", "short")
    wrong: dict[str, list[int]] = {}
    print("| window | words | errors | WER | median ms |\n|---|---:|---:|---:|---:|")
    words = [len(p.words) for p in pieces]
    for window in windows:
        options = SttOptions(
            engine="faster-whisper", model=given.model, window=window, partials=False,
            device=given.device, threads=given.threads,
        )  # fmt: skip
        wrong[window], times = await _recognise(options, pieces)
        total = sum(wrong[window])
        print(
            f"| {window} | {sum(words)} | {total} | {total / sum(words):.1%} | "
            f"{np.median(times):.0f} |"
        )
    mean, low, high = difference(wrong["full"], wrong["short"], words)
    print(f"\nshort − full: {mean:+.1%} of the words ({low:+.1%} to {high:+.1%}, 95 %)")


async def _recognise(options: SttOptions, pieces: list[Piece]) -> tuple[list[int], list[float]]:
    e = stt_engine(options)
    python = environment.ensure(e.environment, lambda w: print(w, file=sys.stderr))
    process = ModelProcess(
        e.name, e.engine, e.options, marks=MarkList(), interpreter=python,
        load_timeout_s=300, request_timeout_s=300, cancel_grace_s=300,
    )  # fmt: skip
    wrong, times = [], []
    async with process:
        for piece in pieces:
            began = time.perf_counter()
            request = process.open("utterance", {}, fed=True)
            request.feed(payload=piece.pcm.tobytes(), last=False)
            request.feed(last=True)
            final = [header["final"] async for header, _ in request if "final" in header]
            times.append(1000 * (time.perf_counter() - began))
            wrong.append(errors(piece.words, words_of(" ".join(final))))
    return wrong, times


def _read(path: Path) -> np.ndarray:
    pcm, rate_hz = soundfile.read(path, dtype="int16", always_2d=True)
    return resample(pcm[:, 0], rate_hz, RATE_HZ)


def _folder(folder: Path) -> list[Piece]:
    pieces = [
        Piece(p.stem, _read(p), words_of(p.with_suffix(".txt").read_text(encoding="utf-8")))
        for p in sorted(folder.glob("*.wav"))
        if p.with_suffix(".txt").is_file()
    ]
    if not pieces:
        raise LabError(f"{folder} holds no NAME.wav with a NAME.txt that says its words.")
    return pieces


def _fixtures(names: str) -> list[Piece]:
    return [
        Piece(fixture.name, read_pcm(turn), words_of(turn.text))
        for fixture in select(names)
        for turn in fixture.turns
        if words_of(turn.text)
    ]


if __name__ == "__main__":
    sys.exit(main())
