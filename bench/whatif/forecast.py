"""A run's answers under other conditions: turn by turn, and summed up by preset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.lines.table import row_of
from bench.metrics.latency import voice_to_voice
from bench.metrics.reading import TurnReading, UnspokenTurn, read_trial
from bench.metrics.validity import GROUPS, NOT_EXPECTED, SYNTHETIC
from bench.stats.conversations import quantile_of_turns
from bench.stats.quantiles import Estimate, Key
from bench.store.records import Trial
from bench.store.store import Run
from bench.timeline.answers import Chunk
from bench.timeline.timeline import Timeline
from bench.whatif.change import Change
from bench.whatif.course import CantSayError, Changes, Course, Outcome, course_of, played
from bench.whatif.over_network import Carrier
from pipelines.clock import NS_PER_MS
from pipelines.errors import LabError
from pipelines.network.conditions import Network
from pipelines.network.named import NETWORKS
from pipelines.spec import did_you_mean

DRAWS = 20
"""Number of times that a network is drawn for each turn."""
LOCAL = "local"
"""Line of an agent that the lab starts itself."""


@dataclass(frozen=True, slots=True)
class TurnForecast:
    """One turn that was answered. Times are voice to voice, ms."""

    trial: Trial
    turn: int
    measured_ms: float
    predicted_ms: tuple[float, ...]
    """One for each draw of the network; a single one without a network; none: see ``reason``."""
    reason: str | None
    """Why nothing is predicted; None where it is."""
    moved_ms: Mapping[str, float | None]
    """Change, or network → how far it alone moves the answer, ms; None where the turn has no such
    stage."""

    @property
    def key(self) -> Key:
        """The turn of the fixture that it is a repeat of."""
        return self.trial.fixture, self.turn


@dataclass(frozen=True, slots=True)
class PresetForecast:
    """One preset, over the turns of which something is predicted. Times in ms."""

    preset: str
    weights: str
    turns: tuple[TurnForecast, ...]
    """The valid turns that were answered, in order."""
    unanswered: int
    """Number of turns without an answer: they stay so."""
    invalid: Counter[str]
    """Why answered turns are not valid, and left out, with their number."""

    @property
    def predicted(self) -> tuple[TurnForecast, ...]:
        """The turns of which something is predicted."""
        return tuple(turn for turn in self.turns if turn.reason is None)

    @property
    def reasons(self) -> Counter[str]:
        """Why nothing is predicted of turns, with their number."""
        return Counter(turn.reason for turn in self.turns if turn.reason is not None)

    def measured(self, p: float) -> Estimate:
        """A quantile of what was measured."""
        return quantile_of_turns([(turn.key, turn.measured_ms) for turn in self.predicted], p)

    def forecast(self, p: float) -> Estimate:
        """A quantile of what is predicted: the median over the draws, of its ends as well."""
        return _middle(
            [
                quantile_of_turns([(turn.key, turn.predicted_ms[i]) for turn in self.predicted], p)
                for i in range(_draws(self.predicted))
            ]
        )

    def change(self) -> Estimate:
        """The median over turns of predicted − measured."""
        return _middle(
            [
                quantile_of_turns(
                    [(t.key, t.predicted_ms[i] - t.measured_ms) for t in self.predicted], 0.5
                )
                for i in range(_draws(self.predicted))
            ]
        )


def network_of(name: str) -> Network | None:
    """A named network; None for no name.

    Raises:
        LabError: there is no such network.
    """
    if not name:
        return None
    if name not in NETWORKS:
        raise LabError(
            f"--network: there is no network {name!r}{did_you_mean(name, NETWORKS)}; there are "
            f"{', '.join(NETWORKS)} ('duplex-lab networks' says what they do)."
        )
    return NETWORKS[name]


def forecast(
    run: Run, changes: Sequence[Change], network: Network | None = None, preset: str = ""
) -> list[PresetForecast]:
    """Predicts a run's answers under other conditions.

    Args:
        run: The run, with its recordings.
        changes: What is to become of stages.
        network: A network that stands between the user and the agent; None: none.
        preset: Only this one; empty for all.

    Raises:
        LabError: there is no such preset, or a network was there already.
        StoreError: a recording or its labels can't be read.
    """
    names = list(dict.fromkeys(trial.preset for trial in run.trials))
    if preset and preset not in names:
        raise LabError(
            f"{run.path}: there is no preset {preset!r} in it{did_you_mean(preset, names)}; there "
            f"are {', '.join(names)}."
        )
    found = []
    for name in [preset] if preset else names:
        trials = [t for t in run.trials if t.preset == name and not t.warmup]
        had = next((t.network for t in trials if t.network), "")
        if network is not None and had:
            raise LabError(
                f"--network {network.name}: {name} was measured over a network already ({had}); "
                "take a run without one, or leave --network out."
            )
        found.append(_of_preset(run, name, trials, _Question(changes, network)))
    return found


@dataclass(frozen=True, slots=True)
class _Question:
    """What is asked of every turn."""

    changes: Sequence[Change]
    network: Network | None

    def carriers(self, turn: TurnReading) -> list[Carrier | None]:
        """The draws of the network for a turn; one None without a network."""
        if self.network is None:
            return [None]
        trial, dialled = turn.timeline.trial, turn.timeline.all("line", "dialled")
        is_stream = row_of((dialled[0].text if dialled else None) or LOCAL).carrier == "tcp"
        of = f"{self.network.seed}/{trial.fixture}.{trial.repeat}.{turn.number}"
        return [Carrier(self.network, is_stream, f"{of}/{i}") for i in range(DRAWS)]


def _of_preset(run: Run, name: str, trials: Sequence[Trial], question: _Question) -> PresetForecast:
    turns: list[TurnForecast] = []
    unanswered, invalid = 0, Counter[str]()
    group = GROUPS["latency"]
    for trial in trials:
        marks, recording = run.marks(trial.trial_id), run.recording(trial)
        for turn in read_trial(trial, marks, recording, run.labels(trial.fixture)).turns:
            if (refused := group.refusal(trial, turn.labels)) is not None:
                unanswered += refused not in (NOT_EXPECTED, SYNTHETIC)
            elif isinstance(turn, UnspokenTurn) or voice_to_voice(turn).value is None:
                unanswered += 1
            elif (why := group.invalidation(turn.invalid)) is not None:
                invalid[why] += 1
            else:
                turns.append(_of_turn(turn, question))
    weights = trials[0].weights if trials else ""
    return PresetForecast(name, weights, tuple(turns), unanswered, invalid)


def _of_turn(turn: TurnReading, question: _Question) -> TurnForecast:
    trial, of = turn.timeline.trial, turn.turn
    assert of.a_on_ns is not None  # it was answered
    measured_ms = _ms(of.a_on_ns, of.u_off_ns)

    def found(
        predicted: Sequence[float], reason: str | None, moved: Mapping[str, float | None]
    ) -> TurnForecast:
        return TurnForecast(trial, of.number, measured_ms, tuple(predicted), reason, moved)

    by_stage = {change.stage.name: change for change in question.changes}
    try:
        course = course_of(turn)
        outcome = played(course, by_stage)
        moved = {c.text: _moved(course, {c.stage.name: c}) for c in question.changes}
    except CantSayError as why:
        return found((), str(why), {})
    carriers = question.carriers(turn)
    heard = [_heard(turn.timeline, course, outcome, carrier) for carrier in carriers]
    if question.network is not None:
        moved[question.network.name] = median(_ms(a_on, outcome.a_on) for a_on in heard)
    return found([_ms(a_on, of.u_off_ns) for a_on in heard], None, moved)


def _moved(course: Course, changes: Changes) -> float | None:
    """How far changes move the answer, ms; None where the turn has none of their stages."""
    outcome = played(course, changes)
    if not changes.keys() & outcome.times.keys():
        return None
    assert course.path.a_on is not None
    return _ms(outcome.a_on, course.path.a_on)


def _heard(timeline: Timeline, course: Course, outcome: Outcome, carrier: Carrier | None) -> int:
    """When the first audible sample of an answer would be heard, ns."""
    if carrier is None:
        return outcome.a_on
    trial, path = timeline.trial, course.path
    up_ns = carrier.up_ns(outcome.stop, trial.t0_ns, trial.chunk_ms)
    assert path.write is not None and path.a_on is not None
    chunks = _first_chunks(timeline, path.write, path.a_on)
    late_ns = outcome.write + up_ns - path.write
    return carrier.heard_ns(chunks, outcome.heard + up_ns, outcome.a_on + up_ns, late_ns)


def _first_chunks(timeline: Timeline, write_ns: int, a_on_ns: int) -> list[Chunk]:
    """The answer's chunks from its first one to some after its first sound."""
    found: list[Chunk] = []
    for chunk in timeline.chunks:
        if chunk.write_ns < write_ns or chunk.heard_ns is None:
            continue
        found.append(chunk)
        if chunk.heard_ns > a_on_ns + MORE_NS:
            break
    return found


MORE_NS = 200 * NS_PER_MS
"""Length of the answer, from its first sound, whose packets are drawn."""


def _draws(turns: Sequence[TurnForecast]) -> int:
    return len(turns[0].predicted_ms) if turns else 1


def _middle(estimates: Sequence[Estimate]) -> Estimate:
    """The median of estimates of one thing, end by end; None where one of them has none."""

    def of(pick: Callable[[Estimate], float | None]) -> float | None:
        values = [value for one in estimates if (value := pick(one)) is not None]
        return median(values) if len(values) == len(estimates) else None

    first = estimates[0]
    return Estimate(
        of(lambda e: e.value),
        first.n,
        of(lambda e: e.low),
        of(lambda e: e.high),
        first.need,
        first.n_conversations,
        first.method,
        first.independent,
    )


def _ms(end_ns: int, start_ns: int) -> float:
    return (end_ns - start_ns) / NS_PER_MS
