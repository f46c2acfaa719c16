"""The words of a text, in any script: what answers are judged by and word errors are counted in."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_ASCII = re.compile(r"[a-z0-9]+(?:'+[a-z0-9]+)*")
_SIGNS = re.compile(r"[$€£¥](?=\d)|(?<=\d)[%°]|(?<=\d)[.,:/](?=\d)|(?<=[^\W_])'(?=[^\W_])")
_SPOKEN = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Nd", "Nl", "No"})
"""Unicode's categories of what words are made of."""
_WITHOUT_SPACES = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),  # 々〆〇
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),  # Katakana extensions
    (0x3400, 0x4DBF),  # Han, extension A
    (0x4E00, 0x9FFF),  # Han
    (0xF900, 0xFAFF),  # Han, compatibility
    (0x20000, 0x3FFFF),  # Han, later extensions
)
"""First and last code points of scripts that are written without spaces between words."""


def words(text: str) -> list[str]:
    """Finds the words of a text: letters, marks and digits, casefolded, in their NFKC form.

    An apostrophe between letters belongs to its word. Where a script has no spaces between words,
    each character is one, with the marks on it; Korean has spaces.
    """
    if text.isascii():
        return _ASCII.findall(text.lower())
    return [word for run in _runs(_folded(text)) for word in _cut(run)]


def spoken(text: str) -> str:
    """Reduces a text to what is said in it: casefolded, with spaces for what is not spoken.

    Signs that are spoken stay where they stand by a number: "7:30", "10%", "$20".
    """
    folded = _folded(text)
    signs = {match.start() for match in _SIGNS.finditer(folded)}
    kept = (
        letter if at in signs or _is_spoken(letter) else "" if _is_unseen(letter) else " "
        for at, letter in enumerate(folded)
    )
    return " ".join("".join(kept).split())


def _folded(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text.replace("’", "'")).casefold()
    return unicodedata.normalize("NFKC", folded)


def _is_spoken(letter: str) -> bool:
    """Whether it is a letter, a mark on one, or a digit."""
    return unicodedata.category(letter) in _SPOKEN and not _is_unseen(letter)


def _is_unseen(letter: str) -> bool:
    """Whether it is a joiner, a mark of direction or a choice of glyph, which divide no word."""
    return unicodedata.category(letter) == "Cf" or "\ufe00" <= letter <= "\ufe0f"


def _runs(text: str) -> Iterator[str]:
    """Stretches of letters, marks and digits, with apostrophes inside."""
    run = ""
    for letter in f"{text} ":
        is_mark = unicodedata.category(letter)[0] == "M"
        if (_is_spoken(letter) and (run or not is_mark)) or (run and letter == "'"):
            run += letter
        elif run and not _is_unseen(letter):
            yield run.rstrip("'")
            run = ""


def _cut(run: str) -> Iterator[str]:
    """A run's words: characters of scripts without spaces one by one, all else whole."""
    word = ""
    for letter in run:
        joins = unicodedata.category(letter)[0] == "M"
        if word and not joins and (_alone(letter) or _alone(word[0])):
            yield word
            word = ""
        word += letter
    if word:
        yield word


def _alone(letter: str) -> bool:
    return any(first <= ord(letter) <= last for first, last in _WITHOUT_SPACES)
