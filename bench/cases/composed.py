"""A case as a fixture, which a run plays as any other: shipped recordings, and texts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bench.cases.case import CASES, Case, CaseError, Step
from bench.fixtures.fixture import RATE_HZ, Cue, Fixture, FixtureError, Speech, Turn
from bench.fixtures.library import select
from bench.store.expectation import Expectation
from bench.store.words import words

FIRST = Cue("start", 500)
NEXT = Cue("agent_end", 800, "go_on")
"""When a turn of a conversation comes that says nothing else."""
WRITTEN_S = 0.1
"""Time for a text before it is sent, s: whole chunks of the caller's."""
TIMEOUT_S = 10.0
"""Longest wait for the answer to a text, s."""


def fixture_of(case: Case, fillers: tuple[str, ...] = ()) -> Fixture:
    """The fixture of a case.

    Args:
        case: The case.
        fillers: Phrases with which the agent fills its waits.

    Raises:
        CaseError: it names a fixture that is not there.
    """
    turns = [turn for step in case.steps for turn in _turns(step, case.name)]
    turns[0] = replace(turns[0], cue=FIRST)
    identity = hashlib.sha256(repr(case).encode())
    for turn in turns:
        identity.update(turn.sha256.encode())
    return Fixture(
        name=case.name,
        kind="conversation",
        turns=tuple(turns),
        labels="synthesis",
        licence="CC0-1.0",
        origin="shipped recordings and texts, by bench/cases/cases.toml",
        tags=(case.kind, case.feature),
        variant="",
        base="",
        scene="",
        sha256=identity.hexdigest(),
        path=CASES,
        fillers=fillers,
    )


def _turns(step: Step, name: str) -> Iterator[Turn]:
    if step.write:
        yield _written(step.write, step.expect or Expectation())
        return
    try:
        (fixture,) = select(step.say)
    except FixtureError as error:
        raise CaseError(f"case {name}: {error}") from None
    except ValueError:
        raise CaseError(f"case {name}: say = {step.say!r} names several fixtures.") from None
    for number, turn in enumerate(fixture.turns):
        is_last = number == len(fixture.turns) - 1
        expect = step.expect if step.expect is not None and is_last else turn.expect
        yield replace(turn, cue=NEXT if number == 0 else turn.cue, expect=expect)


def _written(text: str, expect: Expectation) -> Turn:
    samples = round(RATE_HZ * WRITTEN_S)
    return Turn(
        wav=Path(),
        sha256=hashlib.sha256(text.encode()).hexdigest(),
        rate_hz=RATE_HZ,
        samples=samples,
        text=" ".join(words(text)),
        cue=NEXT,
        timeout_s=TIMEOUT_S,
        speech=(Speech(0, samples, 0, samples),),
        words=(),
        pauses=(),
        expect=expect,
        written=True,
    )
