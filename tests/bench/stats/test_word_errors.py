"""Word errors, by hand."""

import pytest

from bench.stats.word_errors import WordErrors, word_errors


@pytest.mark.parametrize(
    ("said", "transcript", "errors", "words"),
    [
        ("put it down", "Put it, down!", 0, 3),
        ("put it down", "put it", 1, 3),
        ("put it down", "put it down now", 1, 3),
        ("put it down", "put at down", 1, 3),
        ("put it down", "it down put", 2, 3),
        ("put it down", "", 3, 3),
        ("", "uh", 1, 0),
        ("", "", 0, 0),
        ("don't", "don’t", 0, 1),
    ],
)
def test_substitutions_deletions_and_insertions_are_errors(
    said: str, transcript: str, errors: int, words: int
) -> None:
    assert word_errors(said, transcript) == WordErrors(errors, words)


def test_a_rate_may_exceed_one_and_is_defined_for_nothing() -> None:
    assert word_errors("a", "b c d").rate == 3.0
    assert word_errors("", "").rate == 0.0
