"""The labelled set: people, what they said, what they ask later, and what of it is relevant."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pipelines.guards.texts import parse_toml
from pipelines.server.memory.disk.database import open_to_write, path_of, transaction
from pipelines.server.memory.importance import importance

HERE = Path(__file__).parent
BESIDE = "beside"
"""Id of the conversation with what stands beside a person's own sentences."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Something that a person says later."""

    text: str
    relevant: frozenset[int]
    """Indexes of what is relevant of what was said."""


@dataclass(frozen=True, slots=True)
class Person:
    """A made-up user."""

    name: str
    said: tuple[str, ...]
    keep: frozenset[int]
    """Indexes of what is worth keeping in mind."""
    asked: tuple[Asked, ...]
    held_out: bool


def people() -> list[Person]:
    """All of them."""
    table = parse_toml((HERE / "people.toml").read_bytes())
    return [
        Person(
            one["name"],
            tuple(one["said"]),
            frozenset(one["keep"]),
            tuple(Asked(asked["text"], frozenset(asked["relevant"])) for asked in one["asked"]),
            bool(one.get("held_out", False)),
        )
        for one in table["person"]
    ]


def beside(person: Person) -> list[str]:
    """What stands in a person's memory before their own sentences: small talk, other facts."""
    others = _others()["held_out" if person.held_out else "fitted"]
    return [*chatter(), *others]


def also_relevant(person: Person, asked: Asked) -> frozenset[str]:
    """Facts beside a person's own that are relevant to a later sentence after all."""
    return frozenset(
        row["fact"]
        for row in _others()["also"]
        if row["person"] == person.name and row["text"] == asked.text
    )


@cache
def _others() -> dict[str, Any]:
    return parse_toml((HERE / "others.toml").read_bytes())


def chatter() -> list[str]:
    """Small talk, a line each."""
    return (HERE / "chatter.txt").read_text(encoding="utf-8").splitlines()


@contextmanager
def memory_of(person: Person) -> Iterator[sqlite3.Connection]:
    """A memory with `beside` and, behind it, what the person said; numbers count from 1."""
    with TemporaryDirectory() as folder:
        path = path_of(Path(folder), person.name)
        with closing(open_to_write(path, person.name)) as connection:
            lines = [(BESIDE, line) for line in beside(person)] + [("said", s) for s in person.said]
            with transaction(connection):
                connection.executemany(
                    "INSERT INTO memories (conversation, said_s, source, text, importance) "
                    "VALUES (?, ?, 'user', ?, ?)",
                    [(c, float(k), text, importance(text)) for k, (c, text) in enumerate(lines)],
                )
            yield connection
