"""Words in any script: letters, marks and digits, the same whatever the typing."""

import pytest

from bench.store.words import spoken, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Pick up… the RED block!", ["pick", "up", "the", "red", "block"]),
        ("Don’t stop, 'now'!", ["don't", "stop", "now"]),
        ("Привет, мир!", ["привет", "мир"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("مرحبا بالعالم", ["مرحبا", "بالعالم"]),
        ("안녕하세요 세계", ["안녕하세요", "세계"]),
        ("你好，世界", ["你", "好", "世", "界"]),
        ("今日はGoogleで", ["今", "日", "は", "google", "で"]),
        ("ที่นี่", ["ที่", "นี่"]),
        ("STRASSE straße", ["strasse", "strasse"]),
        ("ﬁne ＯＫ ①", ["fine", "ok", "1"]),
        ("café cafe\u0301", ["café", "café"]),
        ("می\u200cخواهم", ["میخواهم"]),
        ("I ❤️ it 👍🏽", ["i", "it"]),
        ("\ud800hm", ["hm"]),
        ("… — ' ''", []),
        ("", []),
    ],
)
def test_words_are_letters_marks_and_digits_of_any_script(text: str, found: list[str]) -> None:
    assert words(text) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Pick up… the RED block!", "pick up the red block"),
        ("It’s 7:30, 10% of $20.", "it's 7:30 10% of $20"),
        ("Привет, мир!", "привет мир"),
        ("你好，世界", "你好 世界"),
        ("नमस्ते", "नमस्ते"),
        ("3.5 and 1,200.", "3.5 and 1,200"),
    ],
)
def test_what_is_spoken_keeps_the_signs_beside_numbers(text: str, said: str) -> None:
    assert spoken(text) == said
