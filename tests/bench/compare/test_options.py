"""Options of two presets that differ."""

from bench.compare.options import OptionDifference, differing

BASE = {
    "architecture": "cascade",
    "audio": {"out_10ms_chunks": 1, "preroll_ms": 0},
    "stages": {"turns": {"preset": "vad", "vad": {"stop_secs": 0.2}}, "llm": {"prime": True}},
    "models": [{"name": "a"}],
}
CANDIDATE = {
    "architecture": "cascade",
    "audio": {"out_10ms_chunks": 4, "preroll_ms": 0},
    "stages": {
        "turns": {"preset": "stock", "vad": {"stop_secs": 0.2}},
        "llm": {"prime": True, "system": "[x]"},
    },
    "models": [{"name": "b"}],
}


def test_every_option_that_differs_is_named_with_both_values() -> None:
    assert differing(BASE, CANDIDATE) == (
        OptionDifference("audio.out_10ms_chunks", 1, 4),
        OptionDifference("turns.preset", "vad", "stock"),
        OptionDifference("llm.system", None, "[x]"),
    )


def test_the_same_preset_differs_in_nothing() -> None:
    assert differing(BASE, BASE) == ()


def test_what_a_run_did_not_record_is_no_difference() -> None:
    assert differing(None, CANDIDATE) == differing(BASE, {}) == ()
