"""A run's causes in one look, on rows whose figures are known."""

from bench.causes.table import BY_NAME
from bench.store.records import CauseRow, MetricRow
from bench.summary.causes import Slow, Tally, of_turns, summarise_causes


def took(trial, ms, *, valid=True, warmup=False, preset="stock"):
    return MetricRow(
        run_id="run",
        trial_id=trial,
        preset=preset,
        fixture=trial,
        repeat=0,
        warmup=warmup,
        turn=0,
        metric="voice_to_voice",
        subject=None,
        value=ms,
        unit="ms",
        valid=valid,
        reason=None,
        weights="trained",
    )


def cause(trial, name, lost_ms, *, loses="answer", warmup=False, preset="stock"):
    return CauseRow("run", trial, preset, trial, 0, warmup, 0, name, loses, lost_ms, None)


ROWS = [took("a", 400.0), took("b", 410.0), took("c", 390.0), took("d", 3400.0), took("e", 3300.0)]
CAUSES = [
    *(cause(trial, "vad_stop_secs", 200.0) for trial in "abcde"),
    cause("d", "smart_turn_incomplete", 3000.0),
    cause("e", "smart_turn_incomplete", 2900.0),
]


def test_the_slow_turns_are_named_with_the_cause_that_explains_most_of_their_excess():
    (stock,) = summarise_causes(ROWS, CAUSES)
    smart_turn = BY_NAME["smart_turn_incomplete"]
    assert stock.slow == (Slow(smart_turn, (3400.0, 3300.0), (("d", 0), ("e", 0))),)
    assert stock.turns == 5


def test_the_causes_stand_by_what_they_cost_in_all():
    (stock,) = summarise_causes(ROWS, CAUSES)
    smart_turn = BY_NAME["smart_turn_incomplete"]
    assert stock.tallies == (
        Tally(smart_turn, 2, 2950.0, 3000.0, ("d", 0), 5900.0),
        Tally(BY_NAME["vad_stop_secs"], 5, 200.0, 200.0, ("a", 0), 1000.0),
    )
    assert stock.largest == stock.tallies[0]


def test_a_slow_turn_that_its_causes_explain_by_less_than_half_is_not_explained():
    (stock,) = summarise_causes(ROWS, [cause("d", "smart_turn_incomplete", 1490.0)])
    assert [(slow.cause, len(slow.turns)) for slow in stock.slow] == [(None, 2)]


def test_turns_that_are_not_valid_and_warm_ups_are_left_out():
    rows = [*ROWS, took("f", 9000.0, valid=False), took("g", 9000.0, warmup=True)]
    more = [
        cause("f", "smart_turn_incomplete", 8000.0),
        cause("g", "smart_turn_incomplete", 8000.0, warmup=True),
    ]
    assert summarise_causes(rows, [*CAUSES, *more]) == summarise_causes(ROWS, CAUSES)


def test_a_preset_that_always_takes_long_has_no_slow_turns_among_the_others():
    (bot,) = summarise_causes([took(trial, 2500.0) for trial in "abc"], [])
    assert (bot.slow, bot.tallies, bot.largest) == ((), (), None)


def test_a_cause_that_this_program_does_not_know_is_left_out():
    (stock,) = summarise_causes(ROWS, [cause("d", "of_a_newer_program", 3000.0)])
    assert stock.tallies == ()


def test_a_turns_causes_stand_with_the_largest_first():
    found = of_turns([*CAUSES, cause("d", "vad_stop_secs", 800.0)])
    assert [row.lost_ms for row in found["d", 0]] == [3000.0, 800.0, 200.0]
