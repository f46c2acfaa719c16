"""The trials of one session of a run: played one by one, written at once, and told as they come."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.agent.pool import Agents
from bench.caller.process import CallerProcess
from bench.fixtures.labels import labels_of
from bench.metrics.compute import compute_trial
from bench.runner.audio_budget import AudioBudget
from bench.runner.late_again import late_again
from bench.runner.plan import Plan, Planned
from bench.runner.progress import Progress, Watcher
from bench.runner.standing import Board, Pace
from bench.runner.trial import Outcome, caller_plan, play
from bench.store import store
from bench.store.records import Trial
from bench.timeline.lateness import with_lateness
from pipelines.errors import LabError


@dataclass(frozen=True, slots=True)
class Beside:
    """Passive taps beside the pipelines of a run."""

    taps: tuple[str, ...] = ()
    """See `bench.agent.process.TrialOrder.taps`."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Their arguments."""


NOTHING_BESIDE = Beside()


class Session:
    """Plays trials of a plan into a run's folder.

    Args:
        plan: The run's plan.
        run_dir: The run's folder.
        caller: The person.
        agents: One warm agent for each preset.
        watch: Takes the progress.
        retries: Number of times that a fixture may be played again to a preset because the
            measuring side was late.
        beside: Passive taps of the agents' pipelines.
        budget: Audio that may be exchanged with the agents; None: any.
    """

    def __init__(
        self,
        plan: Plan,
        run_dir: Path,
        caller: CallerProcess,
        agents: Agents,
        watch: Watcher,
        retries: int = 0,
        beside: Beside = NOTHING_BESIDE,
        budget: AudioBudget | None = None,
    ) -> None:
        self._budget = budget or AudioBudget()
        self._plan = plan
        self._run_dir = run_dir
        self._caller = caller
        self._agents = agents
        self._watch = watch
        self._retries = retries
        self._beside = beside
        self._board = Board(plan)
        self._pace = Pace(plan, retries)
        for trial_id, status in store.statuses(run_dir).items():  # of a run that is resumed
            self._board.take(trial_id, status, [])

    def warm_up(self, number: int, todo: Sequence[Planned]) -> None:
        """Plays one conversation to each preset, which counts in no figure.

        Args:
            number: Number of the session, from 1.
            todo: The trials that will follow.
        """
        warmups = self._plan.warmups(number)
        for i, planned in enumerate(warmups):
            ahead_s = self._plan.seconds(warmups[i:])
            self.say(todo, 0, f"warming up {planned.spec.name}", ahead_s=ahead_s)
            self.play(planned)

    def play_all(self, todo: Sequence[Planned]) -> None:
        """Plays trials, and again those in which the measuring side was late."""
        while todo:
            for i, planned in enumerate(todo):
                is_again = planned.repeat >= self._plan.again_from
                again = " · again, the ruler was late" if is_again else ""
                text = f"{planned.spec.name} · {planned.fixture.name}{again}"
                self.say(todo, i, text, planned.spec.name)
                began_s = time.monotonic()
                self._tell(planned, self.play(planned))
                self._pace.took(planned, time.monotonic() - began_s)
            todo = late_again(self._plan, store.statuses(self._run_dir), self._retries)

    def say(
        self,
        todo: Sequence[Planned],
        done: int,
        text: str,
        preset: str = "",
        ahead_s: float = 0.0,
    ) -> None:
        """Tells the watcher what comes now, and how long everything will still take.

        Args:
            todo: The trials of this pass.
            done: Number of them that were played.
            text: The present step.
            preset: The preset that is played now.
            ahead_s: Estimate of what comes before the next of them, s.
        """
        left_s = ahead_s + self._pace.left_s(todo[done:], self._board.statuses)
        standings = self._board.standings()
        self._watch(Progress(done, len(todo), left_s, text, standings, preset))

    def _tell(self, planned: Planned, played: Outcome) -> None:
        """Adds a trial's figures to what is shown meanwhile; they are computed anew at the end."""
        trial, rows = played.trial, []
        with contextlib.suppress(LabError):  # said at the end, where all metrics are computed
            labels = labels_of(planned.fixture)
            rows = compute_trial(trial, played.marks, played.recording, labels)
        self._board.take(trial.trial_id, trial.status, rows)

    def play(self, planned: Planned) -> Outcome:
        """Plays one trial and writes it.

        Raises:
            AudioSpentError: it would exceed the audio that may be exchanged.
        """
        self._budget.check(planned)
        spec, fixture, run_dir = planned.spec, planned.fixture, self._run_dir
        row = Trial(
            run_id=run_dir.name,
            trial_id=planned.trial_id,
            preset=spec.name,
            fixture=fixture.name,
            fixture_sha256=fixture.sha256,
            repeat=planned.repeat,
            warmup=planned.warmup,
            turns=len(fixture.turns),
            t0_ns=0,
            rate_hz=0,
            weights=spec.weights,
            kind=spec.kind,
        )
        plan = caller_plan(planned.trial_id, spec, fixture, planned.wait_s, planned.silence_s)
        try:
            agent = self._agents.get(spec)
        except LabError as error:  # the agent had died, and its successor can't be warmed
            utc = datetime.now(UTC).isoformat(timespec="milliseconds")
            failed = replace(row, status="error", error=str(error), started_utc=utc)
            store.write_trial(run_dir, failed, [])
            return Outcome(failed, [], None, 0)
        scene, beside = fixture.scene or None, self._beside
        outcome = play(row, spec, plan, self._caller, agent, scene, dict(beside.extra), beside.taps)
        trial, marks = outcome.trial, outcome.marks
        # The loading marks belong to the agent's first trial: its warm-up.
        marks, agent.cold_start = [*agent.cold_start, *marks], []
        self._budget.add(trial, marks)
        if outcome.recording is not None:
            path = store.save_recording(run_dir, trial.trial_id, outcome.recording, outcome.rate_hz)
            trial = replace(trial, recording=path)
        trial = with_lateness(trial, marks, outcome.recording)
        store.write_trial(run_dir, trial, marks)
        return replace(outcome, trial=trial, marks=marks)
