"""The plan of a run: its trials, their order, its duration, and the quantiles that its n can
bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench.caller.plan import SILENCE_AFTER_AGENT_S
from bench.fixtures.library import Fixture, select
from bench.runner.networks import over_networks
from bench.stats.quantiles import QUANTILES, needed_n
from pipelines.bot.preset import bot_spec
from pipelines.errors import LabError
from pipelines.kinds import KINDS
from pipelines.spec import PipelineSpec, load_spec

ANSWER_S = 2.5
"""Estimate for a plan, s: from the end of a turn's audio to the end of the agent's answer."""
ANSWERS_S = {"agent_end": ANSWER_S, "agent_onset": 1.0}
"""Estimate for a plan, s, by the event that the next turn waits for; a turn that waits for neither
comes at its own time."""
OVERHEAD_S = 1.5
"""Estimate for a plan, s: opening and closing one trial."""
LOAD_S = 5.0
"""Estimate for a plan, s: starting one preset's agent and loading its models."""
CALIBRATION_S = 9.0
"""Estimate for a plan, s: the clicks before the first trial."""
CLICKS_PER_RUN = 20
"""Clicks played before each run."""
METRICS_S, METRICS_TRIAL_S = 2.0, 0.1
"""Estimate for a plan, s: the metrics at the end, and what each trial adds."""
REPORT_S = 4.0
"""Estimate for a plan, s: table and picture."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One trial to be played."""

    spec: PipelineSpec
    fixture: Fixture
    repeat: int
    """Number of the repetition; of a warm-up, the session's number, both from 0."""
    warmup: bool = False
    wait_s: float = 0.0
    """See `Plan.wait_s`."""
    silence_s: float = SILENCE_AFTER_AGENT_S
    """See `Plan.silence_s`."""

    @property
    def trial_id(self) -> str:
        """Unique within the run."""
        last = f"warmup{self.repeat}" if self.warmup else str(self.repeat)
        return f"{self.spec.name}.{self.fixture.name}.{last}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A run before it begins."""

    specs: tuple[PipelineSpec, ...]
    fixtures: tuple[Fixture, ...]
    repeats: int
    only: Mapping[str, str] = field(default_factory=dict)
    """Fixture → the one kind of preset, or the one preset, that it is played to; the others are
    played to all."""
    own: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Preset → the fixtures that it is played, and no others; presets that are not in it are played
    all that is for their kind."""
    wait_s: float = 0.0
    """Least silence of the agent after which its answer is taken to be over; 0: the usual."""
    silence_s: float = SILENCE_AFTER_AGENT_S
    """The usual silence after which an answer is taken to be over, s: of agents that answer in one
    breath a shorter one is enough."""
    clicks: int = CLICKS_PER_RUN
    """Number of clicks of known delay that are played first."""
    first_repeat: int = 0
    """Number of the first repetition: above 0 where other runs play those before it."""
    first_again: int = 0
    """Number of the first repetition that stands for a late one; 0: the one after the last."""

    @property
    def again_from(self) -> int:
        """Repetitions from this number on stand for those in which the ruler was late."""
        return self.first_again or self.first_repeat + self.repeats

    def fixtures_of(self, spec: PipelineSpec) -> tuple[Fixture, ...]:
        """The fixtures that are played to a preset."""
        own = self.own.get(spec.name)
        if own is not None:
            return tuple(f for f in self.fixtures if f.name in own)
        return tuple(f for f in self.fixtures if self.only.get(f.name, spec.kind) == spec.kind)

    def warmups(self, session: int = 1) -> list[Planned]:
        """The first turn of a conversation for each preset; kept, and left out of every figure.

        Args:
            session: 1, and one more each time the run is resumed: its agents are cold again.
        """
        shortest = {
            spec.name: min(map(_first_turn, self.fixtures_of(spec)), key=lambda f: f.duration_s)
            for spec in self.specs
            if self.fixtures_of(spec)
        }
        return [
            Planned(
                spec,
                shortest[spec.name],
                session - 1,
                warmup=True,
                wait_s=self.wait_s,
                silence_s=self.silence_s,
            )
            for spec in self.specs
            if spec.name in shortest
        ]

    @property
    def trials(self) -> list[Planned]:
        """Presets are interleaved, and the first one alternates: drift affects all alike."""
        order: list[Planned] = []
        for repeat in range(self.first_repeat, self.first_repeat + self.repeats):
            for i, fixture in enumerate(self.fixtures):
                turn = (repeat + i) % len(self.specs)
                specs = self.specs[turn:] + self.specs[:turn]
                order += [
                    Planned(spec, fixture, repeat, wait_s=self.wait_s, silence_s=self.silence_s)
                    for spec in specs
                    if fixture in self.fixtures_of(spec)
                ]
        return order

    @property
    def turns_per_preset(self) -> int:
        """Number of distinct turns that every preset answers; a repeat of one is no independent
        figure.
        """
        return min(sum(len(f.turns) for f in self.fixtures_of(spec)) for spec in self._conversing())

    @property
    def conversations_per_preset(self) -> int:
        """Number of conversations that these turns are of."""
        return min(len(self.fixtures_of(spec)) for spec in self._conversing())

    def bounds(self) -> dict[float, tuple[int, int]]:
        """Quantile → the independent figures that the plan has for its bound, and those needed.

        A tail is bounded by conversations, of which turns are parts; where each has one turn, they
        are as many.
        """
        turns, conversations = self.turns_per_preset, self.conversations_per_preset
        return {p: (turns if p == 0.5 else conversations, needed_n(p)) for p in QUANTILES}

    def _conversing(self) -> Sequence[PipelineSpec]:
        """The presets that get figures of a conversation, if there are any; else all."""
        return [spec for spec in self.specs if spec.weights != "synthetic"] or self.specs

    @property
    def audio_s(self) -> float:
        """Seconds of user audio to be spoken, warm-ups left out."""
        return sum(trial.fixture.duration_s for trial in self.trials)

    @property
    def exchanged_s(self) -> float:
        """Estimated audio that is exchanged with the agents, both ways, s, warm-ups included."""
        return sum(map(audio_of, [*self.warmups(), *self.trials]))

    def seconds(self, trials: Sequence[Planned] | None = None) -> float:
        """Estimated duration of trials, s; by default of the whole run, from loading to report."""
        if trials is not None:
            return sum(map(_seconds, trials))
        played = self.trials
        before_s = self.opening_s(len(self.specs))
        return before_s + sum(map(_seconds, played)) + closing_s(len(played))

    def opening_s(self, to_load: int) -> float:
        """Estimated time before the first trial that counts, s, with so many presets to load."""
        return LOAD_S * to_load + CALIBRATION_S + sum(map(_seconds, self.warmups()))

    def identity(self) -> dict[str, Any]:
        """The part that must be the same when the run is resumed: presets whole, fixtures by
        checksum.
        """
        return {
            "presets": {spec.name: spec.toml for spec in self.specs},
            "fixtures": {f.name: f.sha256 for f in self.fixtures},
            "repeats": self.repeats,
            **({"only": dict(self.only)} if self.only else {}),
            **({"own": {name: list(of) for name, of in self.own.items()}} if self.own else {}),
            **({"wait_s": self.wait_s} if self.wait_s else {}),
            **({"silence_s": self.silence_s} if self.silence_s != SILENCE_AFTER_AGENT_S else {}),
            **({"first_repeat": self.first_repeat} if self.first_repeat else {}),
            **({"first_again": self.first_again} if self.first_again else {}),
        }


def closing_s(trials: int) -> float:
    """Estimated time from the end of the last of so many trials to the end of the report, s."""
    return METRICS_S + METRICS_TRIAL_S * trials + REPORT_S


def audio_of(trial: Planned) -> float:
    """Estimated audio that a trial exchanges with its agent, s: the user's side, silence included,
    and an answer to each turn.
    """
    return _seconds(trial) - OVERHEAD_S + ANSWER_S * len(trial.fixture.turns)


def _first_turn(fixture: Fixture) -> Fixture:
    """The conversation's beginning, which warms up as well as the whole and takes less time."""
    return replace(fixture, turns=fixture.turns[:1])


def _seconds(trial: Planned) -> float:
    """Estimated duration of a trial: to babblers the user speaks on a schedule."""
    turns = trial.fixture.turns
    answers = trial.silence_s
    if not trial.spec.babbles:
        answers += ANSWER_S + sum(ANSWERS_S.get(turn.cue.after, 0.0) for turn in turns[1:])
    waits = sum(turn.cue.delay_ms / 1000 for turn in turns)
    waits += max(0.0, max(turn.wait_s for turn in turns), trial.wait_s)
    return trial.fixture.duration_s + waits + answers + OVERHEAD_S


def make_plan(
    presets: str,
    fixtures: str,
    repeats: int,
    bot: Path | None = None,
    wait_s: float = 0.0,
    agents: Sequence[PipelineSpec] = (),
    networks: str = "",
) -> Plan:
    """A plan from the user's command line.

    Args:
        presets: Names or files, by commas.
        fixtures: Selectors, by commas.
        repeats: Number of times that each fixture is played.
        bot: A bot's file that has no preset.
        wait_s: Least silence after which an answer is taken to be over.
        agents: Presets of agents that are given by their addresses.
        networks: Names of networks over which each preset is played, by commas.

    Raises:
        LabError: a network, a preset or a fixture is unknown or wrong.
    """
    names = [name.strip() for name in presets.split(",") if name.strip()]
    if not names and bot is None and not agents:
        raise LabError("--presets: name at least one preset; 'duplex-lab presets list' shows them.")
    named = (*map(load_spec, names), *([bot_spec(bot)] if bot else []), *agents)
    specs = tuple(over_networks(named, networks))
    if len({spec.name for spec in specs}) < len(specs):
        raise LabError(
            "--presets: two presets have the same name; rename one file, "
            "or use --repeats for more trials of one."
        )
    chosen, only, own = choose(fixtures, [spec.name for spec in specs])
    plan = Plan(specs, chosen, repeats, only, own, wait_s)
    for spec in specs:
        if not plan.fixtures_of(spec):
            raise LabError(
                f"--fixtures {fixtures}: nothing of it is for {spec.name}, which is of the kind "
                f"{spec.kind}; leave the preset out, or name fixtures without a kind before them."
            )
    return plan


Chosen = tuple[tuple[Fixture, ...], dict[str, str], dict[str, tuple[str, ...]]]
"""Fixtures by name, `Plan.only` and `Plan.own`."""


def choose(selector: str, presets: Sequence[str] = ()) -> Chosen:
    """Fixtures that a selector names, each with the only kind of preset that it is for.

    Args:
        selector: Parts as `bench.fixtures.library.select` takes them, each perhaps after a kind
            and a colon (for presets of that kind only) or after a preset and a colon (that preset
            plays what is named for it, and nothing else).
        presets: Names of the run's presets.

    Raises:
        LabError: a part names nothing, or an unknown kind.
    """
    by_word: dict[str, list[str]] = {}
    for part in selector.split(","):
        word, colon, rest = part.strip().rpartition(":")
        if colon and word not in KINDS and word not in presets:
            raise LabError(
                f"--fixtures {part}: {word!r} is not a kind, and no preset of this run; "
                f"kinds: {', '.join(KINDS)}."
            )
        by_word.setdefault(word, []).append(rest)
    found = {word: select(",".join(parts)) for word, parts in by_word.items()}
    to_all = {fixture.name for fixture in found.get("", [])}
    own = {w: tuple(f.name for f in of) for w, of in found.items() if w and w not in KINDS}
    only: dict[str, str] = {}
    for kind, name in ((k, f.name) for k, of in found.items() if k in KINDS for f in of):
        if name not in to_all and only.setdefault(name, kind) != kind:
            raise LabError(
                f"--fixtures {selector}: {name} is named for two kinds, {only[name]} and {kind}; "
                "name it once, without a kind if it is for all."
            )
    for preset, names in own.items():
        for name in names:
            if name not in to_all:
                only.setdefault(name, preset)
    every = {f.name: f for of in found.values() for f in of}
    return tuple(every[name] for name in sorted(every)), only, own
