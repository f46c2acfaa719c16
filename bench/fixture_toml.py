"""A fixture's TOML ↔ records: reading with a clear error for every defect, and writing.

Only the text is read here; whether the audio agrees is checked by ``bench.fixtures``.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from bench.fixture_records import (
    CUES,
    EVENTS,
    KINDS,
    LABELS,
    RATE_HZ,
    Cue,
    Fixture,
    FixtureError,
    Speech,
    Turn,
    Word,
)
from bench.judge import Expectation
from pipelines.audio.onsets import Span

_TYPES = {
    str: "a string",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a table",
}


class _Table:
    """One table of the file; takes keys out with type checks, and complains of what is left."""

    def __init__(self, path: Path, where: str, table: Mapping[str, Any]) -> None:
        self._path, self._where, self._left = path, where, dict(table)

    def fail(self, text: str) -> FixtureError:
        place = f" {self._where}" if self._where else ""
        return FixtureError(f"{self._path}:{place} {text}.")

    def take(self, key: str, kind: type, default: Any = None) -> Any:
        """Removes and returns a value; without a default it must be there."""
        if key not in self._left:
            if default is None:
                raise self.fail(f"misses {key!r}; add {key} = {_TYPES[kind]}")
            return default
        value = self._left.pop(key)
        fits = isinstance(value, (int, float) if kind is float else kind)
        if not fits or isinstance(value, bool):
            raise self.fail(f"{key} must be {_TYPES[kind]}, not {value!r}")
        return value

    def one_of(self, key: str, choices: tuple[str, ...], default: str | None = None) -> str:
        value: str = self.take(key, str, default)
        if value not in choices and value != default:
            raise self.fail(f"{key} is {value!r}; use one of {', '.join(choices)}")
        return value

    def strings(self, key: str) -> tuple[str, ...]:
        values = self.take(key, list, [])
        if not all(isinstance(value, str) for value in values):
            raise self.fail(f"{key} must be a list of strings, not {values!r}")
        return tuple(values)

    def tables(self, key: str, default: list[Any] | None = None) -> list[_Table]:
        rows = self.take(key, list, default)
        for row in rows:
            if not isinstance(row, dict):
                raise self.fail(f"{key} must be a list of tables, not {row!r}")
        prefix = f"{self._where} " if self._where else ""
        return [_Table(self._path, f"{prefix}{key} {i}", row) for i, row in enumerate(rows, 1)]

    def table(self, key: str) -> _Table:
        prefix = f"{self._where} " if self._where else ""
        return _Table(self._path, f"{prefix}{key}", self.take(key, dict))

    def limits(self, first: str, last: str, samples: int) -> tuple[int, int]:
        """A half-open range of samples inside the audio."""
        start, end = self.take(first, int), self.take(last, int)
        if not 0 <= start < end <= samples:
            raise self.fail(
                f"goes from {start} to {end}, but must satisfy 0 ≤ {first} < {last} ≤ {samples} "
                f"(the samples of the audio); correct the label"
            )
        return start, end

    def done(self) -> None:
        if self._left:
            raise self.fail(f"has the unknown key {sorted(self._left)[0]!r}; remove it")


def parse(path: Path, data: bytes, sha256: str) -> Fixture:
    """Reads a fixture's text.

    Args:
        path: The TOML, for names and messages.
        data: Its contents.
        sha256: The fixture's identity, which the caller computes.

    Raises:
        FixtureError: anything missing, unknown, of the wrong type or out of range.
    """
    try:
        table = _Table(path, "", tomllib.loads(data.decode("utf-8")))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise FixtureError(f"{path}: is not valid TOML ({error}); mend that line.") from None
    name = table.take("name", str)
    if name != path.stem:
        raise table.fail(f"name is {name!r} but the file is {path.name}; make them equal")
    turns = table.tables("turn")
    if not turns:
        raise table.fail("has no turn; add a [[turn]]")
    fixture = Fixture(
        name=name,
        kind=table.one_of("kind", KINDS),
        turns=tuple(_turn(turn, path) for turn in turns),
        labels=table.one_of("labels", LABELS),
        licence=table.take("licence", str),
        origin=table.take("origin", str),
        tags=table.strings("tags"),
        variant=table.take("variant", str, ""),
        base=table.take("base", str, ""),
        scene=table.take("scene", str, ""),
        sha256=sha256,
        path=path,
    )
    table.done()
    if bool(fixture.variant) != bool(fixture.base):
        raise table.fail("needs both variant and base, or neither")
    return fixture


def _turn(table: _Table, path: Path) -> Turn:
    wav = table.take("wav", str)
    if Path(wav).name != wav or not wav.endswith(".wav"):
        raise table.fail(f"wav is {wav!r}; name a .wav file in the TOML's own folder")
    rate_hz, samples = table.take("rate_hz", int), table.take("samples", int)
    if rate_hz != RATE_HZ:
        raise table.fail(f"rate_hz is {rate_hz}; resample the audio to {RATE_HZ} Hz")
    cue = table.table("cue")
    turn = Turn(
        wav=path.parent / wav,
        sha256=table.take("sha256", str),
        rate_hz=rate_hz,
        samples=samples,
        text=table.take("text", str),
        cue=Cue(after=cue.one_of("after", CUES), delay_ms=cue.take("delay_ms", int)),
        timeout_s=float(table.take("timeout_s", float)),
        speech=tuple(_speech(row, samples) for row in table.tables("speech")),
        words=tuple(_word(row, samples) for row in table.tables("words", [])),
        pauses=tuple(_span(row, samples) for row in table.tables("pauses", [])),
        expect=_expect(table),
        event=table.one_of("event", EVENTS, ""),
    )
    cue.done()
    table.done()
    if turn.cue.delay_ms < 0 or turn.timeout_s <= 0:
        raise table.fail("needs cue.delay_ms ≥ 0 and timeout_s > 0")
    if not turn.text.strip() and turn.event != "cough":
        raise table.fail("has an empty text; write what is said")
    if turn.event and turn.cue.after == "start":
        raise table.fail(
            f"is a {turn.event}, which needs an agent that speaks; cue it after agent_onset"
        )
    if not turn.speech:
        raise table.fail("has no speech; label at least one stretch")
    ranges = {
        "speech": [(s.audible_start, s.audible_end) for s in turn.speech],
        "words": [(w.start, w.end) for w in turn.words],
        "pauses": [(p.start, p.end) for p in turn.pauses],
    }
    for key, rows in ranges.items():
        for (_, end), (start, _) in pairwise(rows):
            if start < end:
                raise table.fail(f"{key} are not in order or overlap at {start}; sort them")
    return turn


def _speech(row: _Table, samples: int) -> Speech:
    speech = Speech(
        *row.limits("phone_start", "phone_end", samples),
        *row.limits("audible_start", "audible_end", samples),
    )
    row.done()
    return speech


def _word(row: _Table, samples: int) -> Word:
    word = Word(row.take("word", str), *row.limits("start", "end", samples))
    row.done()
    return word


def _span(row: _Table, samples: int) -> Span:
    span = Span(*row.limits("start", "end", samples))
    row.done()
    return span


def _expect(table: _Table) -> Expectation:
    expect = table.take("expect", dict)
    never = expect.get("never", [])
    if not isinstance(never, list) or not all(isinstance(wording, str) for wording in never):
        raise table.fail(f"expect.never must be a list of strings, not {never!r}")
    try:
        return Expectation.from_table(expect)
    except (ValueError, TypeError) as error:
        raise table.fail(f"{error}; see bench/judge.py for its form") from None


def dump(fixture: Fixture) -> str:
    """Writes a fixture's text; ``parse`` of it gives the same records."""
    lines = [f"{key} = {_value(getattr(fixture, key))}" for key in ("name", "kind")]
    lines += [f"{key} = {_value(getattr(fixture, key))}" for key in ("licence", "origin", "labels")]
    lines.append(f"tags = {_value(fixture.tags)}")
    for key in ("base", "variant", "scene"):
        if getattr(fixture, key):
            lines.append(f"{key} = {_value(getattr(fixture, key))}")
    for turn in fixture.turns:
        lines += ["", "[[turn]]", *_dump_turn(turn)]
    return "\n".join(lines) + "\n"


def _dump_turn(turn: Turn) -> list[str]:
    lines = [f"wav = {_value(turn.wav.name)}"]
    for key in ("sha256", "rate_hz", "samples", "text"):
        lines.append(f"{key} = {_value(getattr(turn, key))}")
    lines.append(f"cue = {{ after = {_value(turn.cue.after)}, delay_ms = {turn.cue.delay_ms} }}")
    lines.append(f"timeout_s = {turn.timeout_s}")
    if turn.event:
        lines.append(f"event = {_value(turn.event)}")
    lines += _dump_rows("speech", turn.speech)
    lines += _dump_rows("words", turn.words)
    lines += _dump_rows("pauses", turn.pauses)
    expect = turn.expect
    lines += ["[turn.expect]", f"respond = {_value(expect.respond)}"]
    if expect.intent:
        lines.append(f"intent = {_value(expect.intent)}")
    if expect.slots:
        slots = (f"{_value(name)} = {_value(words)}" for name, words in expect.slots.items())
        lines.append(f"slots = {{ {', '.join(slots)} }}")
    if expect.never:
        lines.append(f"never = {_value(expect.never)}")
    return lines


def _dump_rows(key: str, rows: tuple[Any, ...]) -> list[str]:
    """A list of inline tables, one a line."""
    if not rows:
        return []
    lines = [f"{key} = ["]
    for row in rows:
        fields = (f"{name} = {_value(getattr(row, name))}" for name in row.__dataclass_fields__)
        lines.append(f"  {{ {', '.join(fields)} }},")
    return [*lines, "]"]


def _value(value: Any) -> str:
    """A TOML value; a JSON string is one too, but for DEL, which TOML wants escaped."""
    if isinstance(value, tuple):
        return f"[{', '.join(_value(item) for item in value)}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
