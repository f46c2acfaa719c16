#!/usr/bin/env python3
"""How far `duplex-lab score` is from the truth: calls of known delays, in several conditions.

Calls are put together from the shipped fixtures: a user, a voice that answers after a known time,
the next exchange. Each condition writes them as such calls come (a telephone's µ-law, a room of
voices behind the user, an agent with ambience, MP3, Opus), scores the files, and compares
voice_to_voice with the delay that was set.

    .venv/bin/python scripts/score_error.py            # the table, as docs/recorded.md has it
    .venv/bin/python scripts/score_error.py --write    # … and into docs/recorded.md
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from bench.fixtures.library import read_pcm, select
from bench.recorded.files import calls_in
from bench.recorded.score import score
from bench.simulated.calls import Exchange, Pcm16, babble, call_of, steady_noise, with_noise
from bench.store.recording import AGENT, USER, Stereo
from bench.store.store import read_metrics
from pipelines.audio.resample import resample

PAGE = Path(__file__).parent.parent / "docs" / "recorded.md"
BEGIN, END = "<!-- error of score: begin -->", "<!-- error of score: end -->"
RATE_HZ = 16_000
DELAYS_MS = (-250, 120, 200, 300, 450, 700, 1000, 1500, 2200)
"""Delays of answers; the calls take them in turns."""
EXCHANGES = 6
"""Exchanges of a call."""
SEED = 19

Write = Callable[[Path, Stereo, Sequence[Pcm16]], None]
"""(file without its ending, call at 16 kHz, other voices) → the file is there."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One way in which calls come."""

    name: str
    write: Write
    limit_ms: float
    """Limit of the median error."""


def _clean(path: Path, call: Stereo, _: Sequence[Pcm16]) -> None:
    soundfile.write(path.with_suffix(".wav"), call, RATE_HZ)


def _phone(path: Path, call: Stereo, _: Sequence[Pcm16]) -> None:
    at_8_khz = np.stack([resample(call[:, side], RATE_HZ, 8_000) for side in (USER, AGENT)], axis=1)
    soundfile.write(path.with_suffix(".wav"), at_8_khz, 8_000, subtype="ULAW", format="WAV")


def _babble(path: Path, call: Stereo, voices: Sequence[Pcm16]) -> None:
    noise = babble(voices, len(call), np.random.default_rng(SEED))
    _clean(path, with_noise(call, USER, noise, 20), voices)


def _ambience(path: Path, call: Stereo, voices: Sequence[Pcm16]) -> None:
    rng = np.random.default_rng(SEED)
    both = with_noise(call, AGENT, steady_noise(len(call), rng), 25)
    _clean(path, with_noise(both, USER, steady_noise(len(call), rng), 30), voices)


def _mp3(path: Path, call: Stereo, _: Sequence[Pcm16]) -> None:
    # As floats: libsndfile 1.2.2 makes noise of every other block of stereo int16.
    soundfile.write(path.with_suffix(".mp3"), call / 32_768, RATE_HZ, format="MP3")


def _opus(path: Path, call: Stereo, _: Sequence[Pcm16]) -> None:
    soundfile.write(path.with_suffix(".opus"), call, RATE_HZ, format="OGG", subtype="OPUS")


CONDITIONS = (
    Condition("clean, 16 kHz", _clean, 10),
    Condition("µ-law, 8 kHz", _phone, 40),
    Condition("babble behind the user, 20 dB", _babble, 40),
    Condition("ambience: agent 25 dB, user 30 dB", _ambience, 40),
    Condition("MP3", _mp3, 40),
    Condition("Opus", _opus, 40),
)


@dataclass(frozen=True, slots=True)
class Found:
    """The errors of a condition."""

    condition: Condition
    errors_ms: NDArray[np.float64]
    """(n,) voice_to_voice as scored − the delay, of the turns that were found."""
    turns: int
    """Turns that there are."""

    @property
    def median_ms(self) -> float:
        """Median of the error's size."""
        return float(np.median(np.abs(self.errors_ms)))

    @property
    def p95_ms(self) -> float:
        """95th percentile of the error's size."""
        return float(np.quantile(np.abs(self.errors_ms), 0.95))


def voices(count: int) -> list[Pcm16]:
    """Utterances of the shipped fixtures, each from its first audible sample to its last."""
    found = []
    for fixture in [f for f in select("clean") if len(f.turns) == 1][:count]:
        turn = fixture.turns[0]
        pcm = resample(read_pcm(turn), turn.rate_hz, RATE_HZ)
        on, off = (s * RATE_HZ // turn.rate_hz for s in (turn.u_on_sample, turn.u_off_sample))
        found.append(np.asarray(pcm[on : off + 1], np.int16))
    return found


def exchanges(said: Sequence[Pcm16], calls: int) -> Iterator[list[Exchange]]:
    """The exchanges of each call: another user, another answer, another delay every time."""
    k = 0
    for _ in range(calls):
        call = []
        for _ in range(EXCHANGES):
            mine, theirs = said[k % len(said)], said[(k + len(said) // 2) % len(said)]
            call.append(Exchange(mine, theirs, DELAYS_MS[k % len(DELAYS_MS)]))
            k += 1
        yield call


def measure(condition: Condition, said: Sequence[Pcm16], calls: int, folder: Path) -> Found:
    """Scores a condition's calls."""
    files, run_dir = folder / "calls", folder / "run"
    files.mkdir(parents=True)
    truth: dict[str, list[float]] = {}
    for number, made in enumerate(exchanges(said, calls)):
        condition.write(files / str(number), call_of(made, RATE_HZ), said)
        truth[str(number)] = [one.delay_ms for one in made]
    score(calls_in(files), run_dir, user="left")
    rows = [row for row in read_metrics(run_dir) if row.metric == "voice_to_voice"]
    errors = []
    for name, delays in truth.items():
        found = {
            row.turn: row.value
            for row in rows
            if row.fixture == name and row.valid and row.value is not None
        }
        # A call whose turns were not all found can't be told turn by turn: it has no errors.
        if len(found) == len(delays):
            errors += [found[i] - delay for i, delay in enumerate(delays)]
    return Found(condition, np.array(errors), calls * EXCHANGES)


def table(found: Sequence[Found]) -> str:
    """The errors as Markdown."""
    lines = [
        "| calls | turns found | median | p95 | largest | signed median |",
        "|---|---|---|---|---|---|",
    ]
    for one in found:
        sizes = np.abs(one.errors_ms)
        lines.append(
            f"| {one.condition.name} | {len(sizes)} of {one.turns} | {one.median_ms:.1f} ms "
            f"| {one.p95_ms:.1f} ms | {sizes.max():.1f} ms | {np.median(one.errors_ms):+.1f} ms |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measures all conditions, and prints the table."""
    parser = argparse.ArgumentParser(description="Error of `duplex-lab score` on known calls.")
    parser.add_argument("--calls", type=int, default=10, help="calls of each condition (10)")
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    asked = parser.parse_args()
    said = voices(30)
    with tempfile.TemporaryDirectory() as folder:
        found = [
            measure(one, said, asked.calls, Path(folder) / str(i))
            for i, one in enumerate(CONDITIONS)
        ]
    text = table(found)
    print(text)
    if asked.write:
        before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
        after = rest.partition(END)[2]
        PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")
    late = [one.condition.name for one in found if one.median_ms > one.condition.limit_ms]
    if late:
        sys.exit(f"the median error is over its limit: {', '.join(late)}")


if __name__ == "__main__":
    main()
