"""What a run says while it goes on: figures so far, the time left, the time that parts took."""

import pytest

from bench.runner.plan import make_plan
from bench.runner.progress import Progress, line, table
from bench.runner.standing import PRIOR_S, Board, Pace, Standing
from bench.runner.stopwatch import Stopwatch
from bench.store.records import MetricRow

PLAN = make_plan("cascade-embedded,cascade-stock", "dialogue_door,cmd_stop", 1)
DOOR, STOP = "cascade-stock.dialogue_door.0", "cascade-stock.cmd_stop.0"


def heard(trial_id: str, *values: float | None, valid: bool = True) -> list[MetricRow]:
    preset, fixture, repeat = trial_id.split(".")
    return [
        MetricRow(
            "r", trial_id, preset, fixture, int(repeat), False, turn, "voice_to_voice", None,
            value, "ms", valid, None if value else "no answer", "trained",
        )
        for turn, value in enumerate(values)
    ]  # fmt: skip


@pytest.fixture
def board() -> Board:
    board = Board(PLAN)
    board.take(DOOR, "ok", heard(DOOR, 400.0, 3400.0, None, 600.0))
    board.take(STOP, "ruler_late", heard(STOP, 9000.0, valid=False))
    return board


def test_the_median_so_far_is_of_the_valid_turns_and_late_trials_are_counted(board):
    embedded, stock = board.standings()
    assert embedded == Standing("cascade-embedded", 0, 5, 0, None, None, 0)
    assert stock == Standing("cascade-stock", 4, 5, 1, 600.0, 3400.0, 1)


def test_a_late_trial_that_was_played_again_counts_its_turn_once(board):
    again = "cascade-stock.cmd_stop.1"
    board.take(again, "ok", heard(again, 500.0))
    assert board.standings()[1] == Standing("cascade-stock", 5, 5, 1, 550.0, 3400.0, 1)


def test_a_line_says_what_comes_how_long_it_takes_and_what_was_found(board):
    shown = Progress(2, 4, 61.0, "cascade-stock · cmd_stop", board.standings(), "cascade-stock")
    assert line(shown) == (
        "[2/4] cascade-stock · cmd_stop "
        "(about 1 min 01 s left, p50 so far 600 ms of 4 turns, 1 late)"
    )
    assert line(Progress(0, 4, 61.0, "calibrating", Board(PLAN).standings())) == (
        "[0/4] calibrating (about 1 min 01 s left)"
    )


def test_a_terminals_table_fills(board):
    head, rule, *rows = table(board.standings(), 80).splitlines()
    assert set(rule) == {"─"}
    assert [row.split() for row in (head, *rows)] == [
        ["so", "far", "turns", "no", "answer", "p50", "ms", "slowest", "late", "trials"],
        ["cascade-embedded", "0/5", "0", "–", "–", "0"],
        ["cascade-stock", "4/5", "1", "600", "3400", "1"],
    ]


def test_the_time_left_follows_each_presets_own_pace_and_holds_the_computing_at_the_end():
    pace, todo = Pace(PLAN, retries=2), PLAN.trials
    closing_s = 2.0 + 0.1 * 4 + 4.0  # metrics and report
    planned_s = {t.trial_id: PLAN.seconds([t]) for t in todo}
    assert pace.left_s(todo, {}) == pytest.approx(sum(planned_s.values()) + closing_s)
    first = next(t for t in todo if t.trial_id == DOOR)
    pace.took(first, planned_s[DOOR] * 2)
    twice = (2 * planned_s[DOOR] + PRIOR_S) / (planned_s[DOOR] + PRIOR_S)
    rest = [t for t in todo if t is not first]
    expected = sum(
        planned_s[t.trial_id] * (twice if t.spec.name == "cascade-stock" else 1.0) for t in rest
    )
    assert pace.left_s(rest, {DOOR: "ok"}) == pytest.approx(expected + closing_s)


def test_the_time_left_holds_the_trials_that_will_be_played_again():
    pace = Pace(PLAN, retries=2)
    (stop,) = (t for t in PLAN.trials if t.trial_id == STOP)
    done = {t.trial_id: "ok" for t in PLAN.trials} | {STOP: "ruler_late"}
    again = PLAN.seconds([stop])
    assert pace.left_s([], done) == pytest.approx(again + 2.0 + 0.1 * 5 + 4.0)
    assert Pace(PLAN, retries=0).left_s([], done) == pytest.approx(2.0 + 0.1 * 4 + 4.0)


def test_a_stopwatch_adds_up_the_blocks_of_a_part_and_names_the_whole():
    times = iter([0.0, 1.0, 4.0, 10.0, 70.0, 71.0, 73.0, 80.0])
    watch = Stopwatch(lambda: next(times))
    with watch.part("load"):
        pass
    with watch.part("conversations"):
        pass
    with watch.part("load"):
        pass
    assert watch.parts == {"load": 5.0, "conversations": 60.0}
    assert watch.text() == "1 min 20 s in all (load 5 s, conversations 1 min 00 s)"
