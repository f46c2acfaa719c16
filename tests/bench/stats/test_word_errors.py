"""Word errors, by hand."""

import pytest

from bench.stats.word_errors import WordErrors, raw_word_errors, word_errors


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
    assert raw_word_errors(said, transcript) == WordErrors(errors, words)


def test_a_rate_may_exceed_one_and_is_defined_for_nothing() -> None:
    assert word_errors("a", "b c d").rate == 3.0
    assert word_errors("", "").rate == 0.0


@pytest.mark.parametrize(
    ("said", "transcript"),
    [
        ("two", "2"),
        ("okay", "OK"),
        ("okay", "O.K."),
        ("seven thirty", "7:30"),
        ("seven thirty p m", "7:30pm"),
        ("seven o'clock", "7:00"),
        ("nine oh five", "9:05"),
        ("twenty five", "25"),
        ("ten percent", "10%"),
        ("ten per cent", "10 %"),
        ("yeah", "Yeah."),
        ("the twenty first", "the 21st"),
        ("one two three", "1 2 3"),
        ("five five five one two three four", "555-1234"),
        ("a hundred and five", "105"),
        ("minus five", "-5"),
        ("twenty dollars", "$20"),
        ("I'm gonna go", "I am going to go"),
        ("I cannot", "I can't"),
        ("the colour grey", "the color gray"),
        ("Привет мир", "привет, МИР!"),
    ],
)
def test_the_same_words_in_another_spelling_are_no_errors(said: str, transcript: str) -> None:
    assert word_errors(said, transcript).errors == 0
    assert word_errors(transcript, said).errors == 0


@pytest.mark.parametrize(
    ("said", "transcript", "errors", "words"),
    [
        ("seven thirty", "7:45", 1, 1),
        ("can you", "can't you", 1, 2),
        ("no one", "no 1", 0, 2),
        ("it's two", "it is too", 1, 3),
        ("uh", "", 1, 1),
        ("mhm", "yes", 1, 1),
        ("", "2", 1, 0),
        ("你好世界", "你好时界", 1, 4),
        ("привет 2", "привет два", 1, 2),
        ("9" * 5_000, "9", 1, 1),
        ("1/0", "one over zero", 3, 1),
        ("seven" + " " * 100_000 + "thirty", "7:30", 2, 2),
        ("seven" + " " * 9_000 + "thirty", "7:30", 0, 1),
    ],
)
def test_other_words_are_errors_in_any_spelling(
    said: str, transcript: str, errors: int, words: int
) -> None:
    assert word_errors(said, transcript) == WordErrors(errors, words)
