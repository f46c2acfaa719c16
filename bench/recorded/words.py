"""Words with times that came beside a recording: JSON of the usual recognisers, WebVTT, SRT.

They say what was said and who speaks when. They are no labels to the sample: where a turn begins
and ends is read off the audio around them.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipelines.errors import LabError

Speaker = Literal["user", "agent", ""]
"""Who said a word; empty where the file does not say."""
SUFFIXES = (".words.json", ".json", ".vtt", ".srt")
"""Endings of files of words, the first that exists is taken."""
AGENTS = frozenset({"agent", "assistant", "bot", "ai", "output"})
USERS = frozenset({"user", "caller", "customer", "human", "input"})
"""Names of speakers, in lower case."""
_TEXT, _START, _END = ("text", "word", "punctuated_word"), ("start", "start_s"), ("end", "end_s")
_SPEAKER = ("speaker", "role", "channel")
_LISTS = ("chunks", "words", "segments", "utterances", "results")
"""Keys under which words lie, by recognisers' formats."""
_VOICE = re.compile(r"<v(?:\.[^ >]*)? ([^>]*)>|^\s*(\w+):\s")
_TAG = re.compile(r"<[^>]*>")


@dataclass(frozen=True, slots=True)
class GivenWord:
    """One word; of captions, the words of one of them."""

    text: str
    start_s: float
    """Its start, s from the recording's."""
    end_s: float | None
    """Its end; None where the file does not say."""
    speaker: Speaker = ""


def words_beside(recording: Path) -> Path | None:
    """The file of words of a recording: of its name, with an ending of `SUFFIXES`."""
    stem = recording.with_suffix("")
    beside = (stem.with_name(stem.name + suffix) for suffix in SUFFIXES)
    return next((path for path in beside if path.is_file()), None)


def read_words(path: Path) -> list[GivenWord]:
    """Reads a file of words, by time.

    Understood are the lists ``chunks`` (text, timestamp), ``words`` and ``segments`` (word or text,
    start, end, perhaps speaker), a bare list of such, an object with the lists of ``user`` and
    ``agent``, and captions. A word without a start is left out.

    Raises:
        LabError: it can't be read, or holds no list of words; one sentence.
    """
    if path.suffix.lower() in (".vtt", ".srt"):
        found = list(_captions(path))
    else:
        found = list(_json_words(path, _loaded(path), ""))
    return sorted(found, key=lambda word: word.start_s)


def _loaded(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise LabError(f"{path}: can't be read as JSON ({error}).") from None


def _json_words(path: Path, data: Any, speaker: Speaker) -> Iterator[GivenWord]:
    if isinstance(data, Mapping):
        sides: tuple[Speaker, ...] = ("user", "agent")
        if any(isinstance(data.get(side), list | dict) for side in sides):
            for side in sides:
                if side in data:
                    yield from _json_words(path, data[side], side)
            return
        data = next((data[key] for key in _LISTS if isinstance(data.get(key), list)), None)
    if not isinstance(data, list):
        raise LabError(
            f"{path}: holds no words with times: a list 'words' of word, start and end (s) is "
            "needed, or 'chunks' of text and timestamp."
        )
    for item in data:
        if not isinstance(item, Mapping):
            raise LabError(f"{path}: a word is {item!r}; text, start and end are needed.")
        who = _speaker(_first(item, _SPEAKER)) or speaker
        inner = item.get("words")
        if isinstance(inner, list) and inner:
            yield from _json_words(path, inner, who)
        elif (word := _word(path, item, who)) is not None:
            yield word


def _word(path: Path, item: Mapping[str, Any], speaker: Speaker) -> GivenWord | None:
    times = item.get("timestamp", item.get("timestamps"))
    if isinstance(times, list | tuple) and len(times) == 2:
        start, end = times
    else:
        start, end = _first(item, _START), _first(item, _END)
    text = _first(item, _TEXT)
    if not isinstance(text, str) or not all(t is None or _is_time(t) for t in (start, end)):
        raise LabError(f"{path}: a word is {dict(item)!r}; text, start and end (s) are needed.")
    if start is None:
        return None
    return GivenWord(text.strip(), float(start), None if end is None else float(end), speaker)


def _is_time(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and 0 <= value < 1e6


def _first(item: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    return next((item[key] for key in keys if key in item), None)


def _speaker(name: Any) -> Speaker:
    said = str(name).strip().lower()
    return "agent" if said in AGENTS else "user" if said in USERS else ""


def _captions(path: Path) -> Iterator[GivenWord]:
    """Captions, which may name their speaker: ``<v agent>`` or ``agent: ``."""
    if importlib.util.find_spec("av") is None:
        raise LabError(f"{path}: captions need PyAV: install it (pip install av), or give JSON.")
    av: Any = importlib.import_module("av")
    try:
        with av.open(str(path)) as container:
            packets = [
                (p.pts, p.duration, p.time_base, bytes(p))
                for p in container.demux(container.streams[0])
                if p.pts is not None
            ]
    except (av.error.FFmpegError, OSError, IndexError) as error:
        raise LabError(f"{path}: can't be read as captions ({error}).") from None
    for start, length, base, data in packets:
        raw = data.decode("utf-8", "replace")
        named = _VOICE.search(raw)
        who = _speaker(named.group(1) or named.group(2)) if named else ""
        text = _TAG.sub("", raw)
        if who and named and named.group(2):
            text = text.split(":", 1)[1]
        start_s = float(start * base)
        yield GivenWord(" ".join(text.split()), start_s, start_s + float(length * base), who)
