"""The first token, cold and warm: which turns count, and what a timeline says of a prompt."""

from dataclasses import replace

from bench.report.text.first_token import first_token_blocks, first_token_line, first_tokens
from bench.simulated.turns import TurnPlan, trial_of
from bench.store.records import MetricRow
from bench.timeline.timeline import reconstruct
from pipelines.marks import EventName


def row(turn, value, fixture="f", **changes):
    base = MetricRow(
        "r", "t", "p", fixture, 0, False, turn, "llm_ttft", None, value, "ms", True, None, "trained"
    )
    return replace(base, **changes)


def test_a_first_turn_is_cold_and_later_ones_are_warm():
    rows = [row(0, 50.0), row(0, 70.0, "g"), row(0, 60.0, "h"), row(1, 8.0), row(2, 12.0)]
    (found,) = first_tokens(rows)
    assert (found.preset, found.cold.value, found.cold.n) == ("p", 60.0, 3)
    assert (found.warm.value, found.warm.n) == (10.0, 2)


def test_repeats_of_a_turn_count_once_by_their_median():
    rows = [row(0, v, repeat=i) for i, v in enumerate((10.0, 20.0, 90.0))]
    (found,) = first_tokens(rows)
    assert (found.cold.value, found.cold.n) == (20.0, 1)
    assert found.warm.value is None


def test_warm_ups_what_is_not_valid_and_other_metrics_are_left_out():
    rows = [
        row(0, 5.0, warmup=True),
        row(0, 6.0, valid=False, reason="synthetic"),
        row(0, None),
        row(0, 7.0, metric="llm_ttfat"),
    ]
    assert first_tokens(rows) == ()
    assert first_token_blocks(()) == []


def test_the_table_has_a_dash_where_no_conversation_went_on():
    (block,) = first_token_blocks(first_tokens([row(0, 50.0), row(1, 8.0, preset="q")]))
    assert block.rows == (("p", "50 (n 1)", "–"), ("q", "–", "8 (n 1)"))


def test_a_turn_shows_how_much_of_its_prompt_was_in_the_cache():
    trial, marks, pcm = trial_of([TurnPlan(), TurnPlan(u_on_ms=6500.0, u_off_ms=8000.0)])
    first, later = reconstruct(trial, marks, pcm).turns
    assert first_token_line(first, "llm-1", row(0, 28.0)) == (
        "  first token 28.0 ms (cold: the first turn)"
    )
    assert first_token_line(first, "llm-1", row(0, None)) == ""
    of = next(m for m in later.marks if (m.stage, m.event) == ("llm", "end"))
    told: dict[EventName, float] = {"prompt_read": 14.0, "prompt_cached": 41.0}
    added = tuple(replace(of, event=e, value=v, text=None) for e, v in told.items())
    later = replace(later, marks=later.marks + added)
    assert first_token_line(later, of.request_id, row(1, 9.0)) == (
        "  first token 9.0 ms (warm: a later turn; prompt: 41 tokens in the prefix cache, 14 read)"
    )
    assert "prompt" not in first_token_line(later, "another", row(1, 9.0))
