"""The ruler's own error: clicks of known delay through the whole harness.

A click agent answers each click of the caller at a known time. Ruler's error = heard − (stamped
write + offset in the chunk): the part that wire and ear add. The agent's own lateness (stamped
write − due time) is reported apart. Spoken words of known onset do the same for the onset detector.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.agent.process import STOP_TIMEOUT_S, AgentProcess
from bench.caller.mouth import CHUNK_MS
from bench.caller.plan import CallerPlan, CallerTurn
from bench.caller.process import CallerProcess
from bench.fixtures.library import Fixture, read_pcm
from bench.runner.trial import Outcome, caller_plan, play
from bench.store.records import Trial
from bench.timeline.lateness import mouth_lateness
from pipelines.audio.onsets import audible_spans
from pipelines.audio.resample import resample
from pipelines.click.options import CLICK_LEVEL, ClickOptions
from pipelines.clock import NS_PER_MS, samples_to_ns
from pipelines.errors import LabError
from pipelines.marks import Mark
from pipelines.spec import PipelineSpec, load_spec

DELAYS_MS = (0.0, 80.0, 200.0, 500.0)
"""The delays of `duplex-lab calibrate`; a fifth is drawn at random."""
CALIBRATIONS = 3
"""Number of tries of a run to have all clicks heard: a machine that stalls may lose one."""
SPACING_MS = (150, 250)
"""Time between two clicks, ms; answers of 10 ms never touch."""
WORD_SPACING_MS = (900, 1100)
MERGE_GAP_MS = 60.0
"""Distance below which two sounds are one."""
WORD_WINDOW_NS = WORD_SPACING_MS[0] * NS_PER_MS // 3
"""Range around its label in which a word's onset is sought: stop consonants begin with silence."""


@dataclass(frozen=True, slots=True)
class Answered:
    """One click (or word) and its answer, in ns on the machine's clock."""

    target_ns: int
    """Due time of the answer."""
    written_ns: int
    """Stamped write of its chunk + its offset in the chunk: the time at which it should be
    heard."""
    heard_ns: int
    """Time of its first audible sample in the recording."""
    click_ns: int
    """Time at which the click was spoken."""

    @property
    def ruler_ms(self) -> float:
        """The harness's error."""
        return (self.heard_ns - self.written_ns) / NS_PER_MS

    @property
    def agent_ms(self) -> float:
        """The click agent's own lateness."""
        return (self.written_ns - self.target_ns) / NS_PER_MS

    @property
    def delay_ms(self) -> float:
        """Time from the click to its answer, as heard."""
        return (self.heard_ns - self.click_ns) / NS_PER_MS


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, 99th percentile of the size, and largest size of some errors."""

    n: int
    median: float
    p99: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Statistics of at least one value."""
        sizes = np.abs(np.asarray(values, np.float64))
        p99 = float(np.quantile(sizes, 0.99, method="inverted_cdf"))
        return cls(len(sizes), float(np.median(values)), p99, float(sizes.max()))

    def to_dict(self) -> dict[str, Any]:
        """The statistics as plain JSON types, in ms."""
        return {"n": self.n, "median_ms": self.median, "p99_ms": self.p99, "max_ms": self.max}


@dataclass(frozen=True, slots=True)
class DelayResult:
    """The clicks of one known delay."""

    delay_ms: float
    clicks: int
    """Number of clicks sent."""
    answered: tuple[Answered, ...]
    timers_late_ms: float | None = None
    """Lateness of the person's own chunks, by the 95th percentile: how late this machine wakes a
    process from its timer. None where it was not measured."""


def click_turn(n: int, seed: int, rate_hz: int, spacing_ms: tuple[int, int]) -> CallerTurn:
    """A user who clicks ``n`` times, at random times within the chunks."""
    rng = random.Random(seed)
    at, position = [], rate_hz // 5
    for _ in range(n):
        at.append(position)
        position += rng.randrange(spacing_ms[0] * rate_hz // 1000, spacing_ms[1] * rate_hz // 1000)
    pcm = np.zeros(position, np.int16)
    pcm[at] = CLICK_LEVEL
    return CallerTurn(pcm, at[0], at[-1] + 1, "start", 300.0, timeout_s=5.0)


class LostClickError(LabError):
    """A click or its answer was lost: the machine stalled, or the ruler is broken."""


def match(
    outcome: Outcome,
    plan: CallerPlan,
    onsets: Sequence[int] = (0,),
    window_ns: int = SPACING_MS[0] * NS_PER_MS // 2,
) -> list[Answered]:
    """Matches each click with its answer.

    Args:
        outcome: The trial.
        plan: The plan that the caller played.
        onsets: Sample, in each answer's own sound, that counts as its onset; used in turn.
        window_ns: Range around its write in which an answer is sought.

    Raises:
        LabError: the trial failed, or a click or its answer was lost: a ruler that loses some
            can't be judged by the rest.
    """
    trial, marks, rate_hz = outcome.trial, outcome.marks, outcome.rate_hz
    if trial.error or outcome.recording is None:
        raise LabError(f"The calibration's clicks were not played: {trial.error or trial.status}.")
    start = next(m.t_ns for m in marks if (m.stage, m.event) == ("user", "turn_start"))
    positions = np.flatnonzero(plan.turns[0].pcm)
    deadlines = [m for m in marks if (m.stage, m.event) == ("script", "deadline")]
    deadlines.sort(key=lambda m: int(m.request_id.removeprefix("click")))
    writes = _answer_writes(marks)
    if not len(positions) == len(deadlines) == len(writes):
        raise LostClickError(
            f"Calibration: of {len(positions)} clicks the agent found {len(deadlines)} and "
            f"answered {len(writes)}; close other heavy programs and try again."
        )
    spans = audible_spans(outcome.recording[:, 1], rate_hz, merge_gap_ms=MERGE_GAP_MS)
    heard = np.array([trial.t0_ns + samples_to_ns(s.start, rate_hz) for s in spans], np.int64)
    found = []
    for n, (position, deadline, write_ns) in enumerate(
        zip(positions, deadlines, writes, strict=True)
    ):
        inside = int(deadline.value or 0) + onsets[n % len(onsets)]
        written_ns = write_ns + samples_to_ns(inside, rate_hz)
        near = heard[np.abs(heard - written_ns) < window_ns]
        if not len(near):
            raise LostClickError(
                f"Calibration: the answer to click {n} was written, but never heard."
            )
        nearest = int(near[np.argmin(np.abs(near - written_ns))])
        click_ns = start + samples_to_ns(int(position), plan.in_rate_hz)
        found.append(Answered(deadline.t_ns, written_ns, nearest, click_ns))
    return found


def _answer_writes(marks: Sequence[Mark]) -> list[int]:
    """Stamps of the chunks that begin an answer: those that follow on a silence."""
    first: list[int] = []
    last_ns = None
    for t_ns in sorted(m.t_ns for m in marks if (m.stage, m.event) == ("link", "write")):
        if last_ns is None or t_ns - last_ns > MERGE_GAP_MS * NS_PER_MS:
            first.append(t_ns)
        last_ns = t_ns
    return first


class Calibrator:
    """Plays click trials on a caller; owns the click agent's process.

    Args:
        caller: The caller to calibrate.
        agent: A click agent that runs already; None starts one.
    """

    def __init__(self, caller: CallerProcess, agent: AgentProcess | None = None) -> None:
        self._caller = caller
        self._spec = load_spec("click")
        self._agent = agent or AgentProcess(self._spec)

    def __enter__(self) -> Calibrator:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        # After an error the click agent may wait for a caller that no longer speaks.
        self._agent.stop(grace_s=0.0 if kind else STOP_TIMEOUT_S)

    def clicks(self, n: int, delay_ms: float, seed: int) -> DelayResult:
        """``n`` clicks at random phases, answered after ``delay_ms``."""
        turn = click_turn(n, seed, self._spec.audio.in_rate_hz, SPACING_MS)
        extra = {"click": ClickOptions(delay_ms=delay_ms, seed=seed)}
        outcome, plan = self._play(turn, extra)
        late = mouth_lateness(outcome.marks, outcome.trial.t0_ns, CHUNK_MS)
        return DelayResult(delay_ms, n, tuple(match(outcome, plan)), late.quantile(0.95))

    def words(self, words: Sequence[Word], seed: int) -> list[Answered]:
        """Each word once, as the answer to a click; its onset is its first phone's label."""
        turn = click_turn(len(words), seed, self._spec.audio.in_rate_hz, WORD_SPACING_MS)
        outcome, plan = self._play(turn, {"words": [w.pcm for w in words]})
        return match(outcome, plan, [w.phone_start for w in words], WORD_WINDOW_NS)

    def _play(self, turn: CallerTurn, extra: dict[str, Any]) -> tuple[Outcome, CallerPlan]:
        limit_s = len(turn.pcm) / self._spec.audio.in_rate_hz + 15.0
        plan = CallerPlan("calibration", self._spec.audio.in_rate_hz, (turn,), limit_s)
        row = Trial("", "calibration", self._spec.name, "clicks", 0, 0, 0, 1)
        return play(row, self._spec, plan, self._caller, self._agent, extra=extra), plan


@dataclass(frozen=True, slots=True)
class Word:
    """A spoken word whose onset is known from its synthesis."""

    pcm: npt.NDArray[np.int16]  # (n,) at the click agent's rate
    phone_start: int
    """Start of its first phone, by the fixture's label: known from its synthesis."""


def first_words(fixtures: Sequence[Fixture], n: int, rate_hz: int) -> list[Word]:
    """The first word of each of ``n`` fixtures: silence precedes it."""
    words: list[Word] = []
    for fixture in fixtures:
        turn = fixture.turns[0]
        if not turn.words or len(words) == n:
            continue
        clip = resample(read_pcm(turn)[: turn.words[0].end], turn.rate_hz, rate_hz)
        words.append(Word(clip, turn.words[0].start * rate_hz // turn.rate_hz))
    return words


class Load:
    """Keeps an agent at work in the background, with a caller of its own."""

    def __init__(self, spec: PipelineSpec, fixtures: Sequence[Fixture]) -> None:
        self._spec = spec
        self._fixtures = fixtures
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._ready = threading.Event()
        self.error: str | None = None
        self.trials = 0

    def __enter__(self) -> Load:
        self._thread.start()
        self._ready.wait()
        if self.error:
            raise LabError(f"The load could not be made: {self.error}.")
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        agent = AgentProcess(self._spec)
        try:
            with CallerProcess() as caller:
                agent.ask("prepare")
                self.error = agent.wait(120.0).error
                self._ready.set()
                while not self._stop.is_set() and not self.error:
                    fixture = self._fixtures[self.trials % len(self._fixtures)]
                    plan = caller_plan("load", self._spec, fixture)
                    row = Trial("", "load", self._spec.name, fixture.name, 0, 0, 0, 1)
                    play(row, self._spec, plan, caller, agent, fixture.scene or None)
                    self.trials += 1
        except LabError as error:
            self.error = str(error)
        finally:
            self._ready.set()
            agent.stop()
