"""What does Whisper's short window cost in accuracy, and what does it save of the wait?

    python scripts/whisper_window_cost.py faster-whisper-tiny.en@int8
    python scripts/whisper_window_cost.py MODEL --fixtures clean,babble10 --threads 2
    python scripts/whisper_window_cost.py MODEL --audio FOLDER      # NAME.wav and NAME.txt each

MODEL is the id or the folder of one with real weights: random ones understand nothing, and are
refused. Each utterance is spoken in real time to the engine with either window, one after the
other, in an order that alternates: in pieces of 20 ms, from 400 ms before its first audible sample
to --stop-ms after the last one. The tail is the time from there to the final transcript. Words are
compared as metric 18 does it. The whole of the clean fixtures takes some six minutes; nothing else
should run.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.fixtures.library import read_pcm, select
from bench.stats.format import with_interval
from bench.stats.quantiles import quantile
from bench.stats.word_errors import word_errors
from pipelines.audio.onsets import first_audible, last_audible
from pipelines.audio.resample import resample
from pipelines.engines.model_files import has_random_weights, model_path
from pipelines.engines.options import SttOptions
from pipelines.engines.processes import stt_engine
from pipelines.errors import LabError
from pipelines.marks import MarkList
from pipelines.process import environment
from pipelines.process.process import ModelProcess

RATE_HZ = 16000
LEAD_MS = 400
PIECE = RATE_HZ // 50
WINDOWS: tuple[Literal["full", "short"], ...] = ("full", "short")
_ROUNDS = 2000


@dataclass(frozen=True)
class Piece:
    """One utterance and its words."""

    name: str
    pcm: NDArray[np.int16]
    """(samples,), 16 kHz, with the silence that ends it."""
    text: str


@dataclass
class Heard:
    """What one window made of all utterances."""

    errors: list[int] = field(default_factory=list)
    tails_ms: list[float] = field(default_factory=list)
    again: int = 0
    """Number of utterances of which a part was decoded a second time."""
    texts: list[str] = field(default_factory=list)


def difference(full: list[int], short: list[int], words: list[int]) -> tuple[float, float, float]:
    """Short minus full in word error rate, and its 95 % interval over utterances."""
    table = np.array([full, short, words], float)
    rng = np.random.default_rng(0)
    drawn = table[:, rng.integers(0, table.shape[1], (_ROUNDS, table.shape[1]))].sum(axis=2)
    rates = (drawn[1] - drawn[0]) / drawn[2]
    low, high = np.percentile(rates, [2.5, 97.5])
    return float((table[1].sum() - table[0].sum()) / table[2].sum()), float(low), float(high)


def spoken(pcm: NDArray[np.int16], stop_ms: int) -> NDArray[np.int16]:
    """The utterance as an agent hears it: a little before it, and the silence that ends it."""
    first, last = first_audible(pcm, RATE_HZ), last_audible(pcm, RATE_HZ)
    if first is None or last is None:
        raise LabError("a recording holds no sound")
    end = last + 1 + stop_ms * RATE_HZ // 1000
    cut = pcm[max(0, first - LEAD_MS * RATE_HZ // 1000) : end]
    return np.concatenate([cut, np.zeros(max(0, end - len(pcm)), np.int16)])


def table(pieces: list[Piece], heard: dict[str, Heard]) -> str:
    """The Markdown table of both windows, and their difference."""
    words = [word_errors(p.text, "").words for p in pieces]
    lines = [
        "| window | utterances | words | errors | WER | tail p50 ms | tail p95 ms | twice |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, h in heard.items():
        p50, p95 = quantile(h.tails_ms, 0.5), quantile(h.tails_ms, 0.95)
        bound = with_interval(p95) if p95.value is None else f"{p95.value:.0f} ≤ {p95.high:.0f}"
        lines.append(
            f"| {name} | {len(pieces)} | {sum(words)} | {sum(h.errors)} | "
            f"{sum(h.errors) / sum(words):.1%} | {with_interval(p50)} | "
            f"{p95.insufficient or bound} | {h.again} |"
        )
    full, short = heard["full"], heard["short"]
    mean, low, high = difference(full.errors, short.errors, words)
    ratio = np.median(short.tails_ms) / np.median(full.tails_ms)
    return "\n".join([
        *lines,
        f"\nshort − full: {mean:+.1%} of the words ({low:+.1%} to {high:+.1%}, 95 %)",
        f"tail p50, short / full: {ratio:.3f}x",
    ])  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("--fixtures", default="clean", help="a selector of fixtures")
    parser.add_argument("--audio", default="", help="a folder of NAME.wav with NAME.txt")
    parser.add_argument("--most", type=int, default=0, help="utterances at most; 0: all")
    parser.add_argument("--stop-ms", type=int, default=250, help="silence that ends an utterance")
    parser.add_argument("--step-ms", type=int, default=300, help="new audio for a partial")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda", "auto"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--texts", action="store_true", help="print what was heard wrong")
    given = parser.parse_args(argv)
    try:
        model_path("faster-whisper", given.model)
        if has_random_weights("faster-whisper", given.model):
            raise LabError(
                f"{given.model} has random weights, which understand nothing: name trained ones."
            )
        found = _folder(Path(given.audio)) if given.audio else _fixtures(given.fixtures)
        pieces = [Piece(p.name, spoken(p.pcm, given.stop_ms), p.text) for p in found]
        pieces = pieces[: given.most or None]
        heard = asyncio.run(_compare(given, pieces))
    except LabError as error:
        print(f"whisper_window_cost: {error}", file=sys.stderr)
        return 2
    print(table(pieces, heard))
    if given.texts:
        for i, piece in enumerate(pieces):
            for window in WINDOWS:
                if heard[window].errors[i]:
                    print(f"{piece.name}, {window}: {heard[window].texts[i]!r}, not {piece.text!r}")
    return 0


async def _compare(given: argparse.Namespace, pieces: list[Piece]) -> dict[str, Heard]:
    heard: dict[str, Heard] = {window: Heard() for window in WINDOWS}
    async with AsyncExitStack() as stack:
        processes = {w: await stack.enter_async_context(_process(given, w)) for w in WINDOWS}
        for i, piece in enumerate(pieces):
            for window in WINDOWS if i % 2 == 0 else reversed(WINDOWS):
                await _hear(processes[window], piece, heard[window])
    return heard


def _process(given: argparse.Namespace, window: Literal["full", "short"]) -> ModelProcess:
    options = SttOptions(
        engine="faster-whisper", model=given.model, window=window, step_ms=given.step_ms,
        device=given.device, threads=given.threads,
    )  # fmt: skip
    e = stt_engine(options)
    python = environment.ensure(e.environment, lambda w: print(w, file=sys.stderr))
    return ModelProcess(
        e.name, e.engine, e.options, marks=MarkList(), interpreter=python,
        load_timeout_s=300, request_timeout_s=300, cancel_grace_s=300,
    )  # fmt: skip


async def _hear(process: ModelProcess, piece: Piece, heard: Heard) -> None:
    """Speaks one utterance in real time, and waits for its final transcript."""
    request = process.open("utterance", {}, fed=True)
    began = time.perf_counter()
    for at in range(0, len(piece.pcm), PIECE):
        due = began + (at + PIECE) / RATE_HZ
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        request.feed(payload=piece.pcm[at : at + PIECE].tobytes(), last=False)
    ended = time.perf_counter()
    request.feed(last=True)
    async for header, _ in request:
        if "final" in header:
            heard.tails_ms.append(1000 * (time.perf_counter() - ended))
            heard.errors.append(word_errors(piece.text, header["final"]).errors)
            heard.again += bool(header["again"])
            heard.texts.append(header["final"])


def _read(path: Path) -> NDArray[np.int16]:
    pcm, rate_hz = soundfile.read(path, dtype="int16", always_2d=True)
    return resample(pcm[:, 0], rate_hz, RATE_HZ)


def _folder(folder: Path) -> list[Piece]:
    pieces = [
        Piece(p.stem, _read(p), p.with_suffix(".txt").read_text(encoding="utf-8").strip())
        for p in sorted(folder.glob("*.wav"))
        if p.with_suffix(".txt").is_file()
    ]
    if not pieces:
        raise LabError(f"{folder} holds no NAME.wav with a NAME.txt that says its words.")
    return pieces


def _fixtures(names: str) -> list[Piece]:
    return [
        Piece(fixture.name, read_pcm(turn), turn.text)
        for fixture in select(names)
        for turn in fixture.turns
        if turn.text
    ]


if __name__ == "__main__":
    sys.exit(main())
