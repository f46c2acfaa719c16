"""Lab 5a's harness: plays fixtures to the student's pipeline, and gives marks turn by turn."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.compare.compare import COMPARED, Comparison, compare
from bench.compare.pairs import Side
from bench.fixtures.library import fixtures_root, load, read_pcm, select
from bench.report.text.table import print_table
from bench.runner.plan import Plan
from bench.runner.progress import progress
from bench.runner.run import execute
from bench.store import store
from bench.store.records import MetricRow
from bench.summary.summary import summarise
from bench.timeline.timeline import Timeline, Turn, reconstruct
from pipelines import registry
from pipelines.clock import NS_PER_MS
from pipelines.errors import LabError
from pipelines.marks import MarkList
from pipelines.process.process import ModelProcess
from pipelines.spec import load_spec

ARCHITECTURE = "lab5a"
FEW = "q_name,cmd_dance,cmd_wave,cmd_come_here,q_on_table"
"""Five short sentences in four voices: for a first look, half a minute."""
MANY = (
    "cmd_stop,cmd_turn_left,greet_hello,q_name,q_who_made,cmd_close_door,cmd_follow_me,cmd_wave,"
    "q_can_do,cmd_come_here,q_where_key,cmd_lamp_off,cmd_dance,cmd_spoon,cmd_open_box,cmd_light_on,"
    "refuse_music,cmd_wait,cmd_go_kitchen,refuse_call,q_on_table,greet_thanks,q_where_blue_ball,"
    "cmd_purple_sock"
)
"""24 short sentences: a comparison needs 20 that count."""
RETRIES = 4
"""Number of times that a sentence is played again because the measuring side was late: on a shared
or busy machine a third of the trials can be, and a comparison has only four to spare."""


def register(build: str = "cascade:build") -> None:
    """Makes the student's ``cascade.py`` an architecture that presets can name.

    To be called where a script is imported, not under ``__main__``: the agent's process imports the
    script again.
    """
    shipped = registry.ARCHITECTURES["cascade"]
    registry.ARCHITECTURES[ARCHITECTURE] = replace(shipped, build=build)


def measure(name: str, presets: Sequence[str], fixtures: str) -> Path:
    """Plays fixtures to presets, interleaved, in real time; prints the table.

    Args:
        name: The run's name: its folder is ``results/NAME``.
        presets: TOML files.
        fixtures: As ``duplex-lab run --fixtures`` takes them.

    Returns:
        The run's folder.

    Raises:
        SystemExit: the folder is there already, or a preset or a fixture can't be used: one
            sentence.
    """
    folder = Path("results") / name
    if folder.exists():
        raise SystemExit(f"{folder} is there already. To measure again, remove it: rm -r {folder}")
    try:
        plan = Plan(tuple(map(load_spec, presets)), tuple(select(fixtures)), 1)
        with progress() as watch:
            execute(plan, folder, resume=False, watch=watch, retries=RETRIES)
    except LabError as error:
        raise SystemExit(str(error)) from None
    print_table(summarise(store.read_run(folder), store.read_metrics(folder)))
    return folder


@dataclass(frozen=True, slots=True)
class TurnMarks:
    """One turn of one trial, as plain data."""

    trial: str
    fixture: str
    marks: list[dict[str, Any]]
    """The marks by time: stage, event, ms (after the user's last audible sample), request_id,
    value, text."""
    heard_ms: float | None
    """Time at which the agent's first audible sample was heard; None if it was not."""


def turns(folder: Path, preset: str = "base") -> list[TurnMarks]:
    """All turns of a preset in a run, without the warm-up."""
    return [turn_marks(timeline, turn) for timeline, turn in _turns(folder, preset)]


def turn_marks(timeline: Timeline, turn: Turn) -> TurnMarks:
    """One turn's marks, in ms after the user's last audible sample."""

    def after(t_ns: int) -> float:
        return (t_ns - turn.u_off_ns) / NS_PER_MS

    loud = ("chunk_in", "chunk_sent", "received")
    return TurnMarks(
        timeline.trial.trial_id,
        timeline.trial.fixture,
        [
            {
                "stage": m.stage,
                "event": m.event,
                "ms": after(m.t_ns),
                "request_id": m.request_id,
                "value": m.value,
                "text": m.text,
            }
            for m in turn.marks
            if m.event not in loud
        ],
        None if turn.a_on_ns is None else after(turn.a_on_ns),
    )


def _turns(folder: Path, preset: str) -> Iterator[tuple[Timeline, Turn]]:
    run = store.read_run(folder)
    for trial in run.trials:
        if trial.preset == preset and not trial.warmup:
            timeline = reconstruct(trial, run.marks(trial.trial_id), run.recording(trial))
            for turn in timeline.turns:
                yield timeline, turn


def gain(folder: Path) -> tuple[float, float, float, int]:
    """How much faster the other preset of a pair is than base, in voice to voice.

    Returns:
        The typical paired difference in ms (negative: faster), its 95 % interval, and on how many
        sentences.

    Raises:
        LabError: too few sentences count on both sides.
    """
    run = store.read_run(folder)
    shift = paired_gain(run, store.read_metrics(folder)).shift
    if shift.value is None or shift.low is None or shift.high is None:
        raise LabError(
            f"{folder}: {shift.n} sentences count on both sides, 20 are needed; close what else "
            "runs on this machine, remove the folder, and measure again."
        )
    return shift.value, shift.low, shift.high, shift.n


def paired_gain(run: store.Run, rows: Sequence[MetricRow]) -> Comparison:
    """The comparison of base with the other preset of a run, in voice to voice alone.

    Raises:
        LabError: the run does not hold base and one other preset, or they share no turn.
    """
    others = sorted({trial.preset for trial in run.trials} - {"base"})
    if len(others) != 1:
        raise LabError(f"{run.path} must hold two presets: base and your faster one.")
    base, other = (Side.of(run.run_id, name, run.trials, rows) for name in ("base", others[0]))
    latency = [one for one in COMPARED if one.metric == "voice_to_voice"]
    found = compare([(base, other)], latency)[0].metrics
    if not found:
        raise LabError(f"{run.path} holds no turn that both presets answered.")
    return found[0]


def user_audio(fixture: str) -> tuple[NDArray[np.float64], int]:
    """The user's words in a fixture's first turn as audio: (n,) in ±1, and its rate in Hz."""
    turn = load(fixtures_root() / f"{fixture}.toml").turns[0]
    return read_pcm(turn).astype(np.float64) / 32768, turn.rate_hz


def read_wav(path: Path) -> tuple[NDArray[np.float64], int]:
    """A mono 16-bit WAV: (n,) in ±1, and its rate in Hz."""
    with wave.open(str(path)) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return pcm.astype(np.float64) / 32768, file.getframerate()


def speak_again(folder: Path, into: Path, preset: str = "base") -> list[str]:
    """Sends the user's words through the text: what was recognised in a run is spoken by espeak-ng.

    Args:
        folder: The run.
        into: Where ``<fixture>.wav`` is written.
        preset: Preset whose recogniser is used.

    Returns:
        The fixtures of which a transcript came.
    """
    into.mkdir(parents=True, exist_ok=True)
    said = {t.trial.fixture: turn.transcript for t, turn in _turns(folder, preset)}
    return asyncio.run(_speak({name: text for name, text in said.items() if text}, into))


async def _speak(texts: dict[str, str], into: Path) -> list[str]:
    engine = "pipelines.engines.tts.espeak:EspeakEngine"
    async with ModelProcess("espeak-ng", engine, marks=MarkList()) as voice:
        for name, text in texts.items():
            pcm = b"".join([piece async for _, piece in voice.open("speak", {"text": text})])
            with wave.open(str(into / f"{name}.wav"), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(22_050)
                file.writeframes(pcm)
    return sorted(texts)
