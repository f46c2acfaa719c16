"""A session of a run, its trials scripted: their order, what is told, and what is played again."""

from typing import Any

import pytest

from bench.runner.plan import Planned, make_plan
from bench.runner.progress import Progress
from bench.runner.session import Session
from bench.runner.standing import PRIOR_S
from bench.runner.trial import Outcome
from bench.store import store
from bench.store.records import Status, Trial

PLAN = make_plan("cascade-embedded,cascade-stock", "cmd_stop,cmd_wait", 1)
LATE = "cascade-stock.cmd_stop.0"


class Scripted(Session):
    """Its trials take no time; some have a late ruler."""

    def play(self, planned: Planned) -> Outcome:
        status: Status = "ruler_late" if planned.trial_id == LATE else "ok"
        row = Trial(
            "r", planned.trial_id, planned.spec.name, planned.fixture.name, planned.repeat, 0,
            24_000, 1, warmup=planned.warmup, status=status,
        )  # fmt: skip
        store.write_trial(self._run_dir, row, [])
        return Outcome(row, [], None, 24_000)


@pytest.fixture
def told(tmp_path):
    found: list[Progress] = []
    unused: Any = None
    session = Scripted(PLAN, tmp_path, unused, unused, found.append, retries=2)
    session.warm_up(1, PLAN.trials)
    session.play_all(PLAN.trials)
    return found


def test_presets_take_turns_and_a_late_trial_is_played_again_at_the_end(told):
    assert [(p.done, p.total, p.text) for p in told] == [
        (0, 4, "warming up cascade-embedded"),
        (0, 4, "warming up cascade-stock"),
        (0, 4, "cascade-embedded · cmd_stop"),
        (1, 4, "cascade-stock · cmd_stop"),
        (2, 4, "cascade-stock · cmd_wait"),
        (3, 4, "cascade-embedded · cmd_wait"),
        (0, 1, "cascade-stock · cmd_stop · again, the ruler was late"),
    ]


def test_the_time_left_counts_the_trial_that_will_be_played_again_from_when_it_is_known(told):
    stop_s, wait_s = (PLAN.seconds([t]) for t in PLAN.trials[1:3])
    pace = PRIOR_S / (PRIOR_S + stop_s)  # of both presets: their first trial took no time at all
    closing_s = 2.0 + 4.0  # metrics and report, and 0.1 s for each trial
    known = pace * (stop_s + 2 * wait_s) + closing_s + 0.5
    assert told[4].left_s == pytest.approx(known, rel=0.01)
    unknown = stop_s + wait_s + pace * wait_s + closing_s + 0.4
    assert told[3].left_s == pytest.approx(unknown, rel=0.01)
    assert [told[i].standings[1].late for i in (3, 4)] == [0, 1]


def test_a_resumed_run_counts_the_late_trials_from_before(tmp_path, told):
    found: list[Progress] = []
    unused: Any = None
    session = Scripted(PLAN, tmp_path, unused, unused, found.append)
    session.say([], 0, "resumed")
    assert [s.late for s in found[0].standings] == [0, 1]
