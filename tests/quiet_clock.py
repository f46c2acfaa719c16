"""What plays in real time is marked ``realtime``: it is played alone, so that its clock is quiet.

A pytest plugin. A test that starts the caller's process without the marker fails: beside other
tests the caller would be late, and the test would fail now and then.
"""

from __future__ import annotations

import functools
from collections.abc import Generator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

MARKER = "realtime"
UNHURRIED = "unhurried"
"""Marker of what plays in real time, and asserts nothing that a late clock would spoil: it is
played beside others."""
CALLER = "duplex-lab caller"
"""Name of the caller's process."""

SHARED_S = 900
"""Longest time of a test that plays in real time, and of the run that it begins, s."""

_playing: list[pytest.Item] = []
"""The test that is being set up or played; none between two."""


def _marked(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(name) for name in (MARKER, UNHURRIED))


def _checked(start: Any) -> Any:
    @functools.wraps(start)
    def checked(self: BaseProcess) -> None:
        if self.name == CALLER and _playing and not _marked(_playing[-1]):
            pytest.fail(
                f"{_playing[-1].nodeid} plays in real time: give it, or its module, "
                f"pytest.mark.{MARKER}, or {UNHURRIED} where a late clock spoils nothing",
                pytrace=False,
            )
        start(self)

    return checked


def pytest_configure(config: pytest.Config) -> None:
    """Looks on at every process that is started here."""
    start = BaseProcess.start
    BaseProcess.start = _checked(start)  # type: ignore[method-assign]
    config.add_cleanup(functools.partial(setattr, BaseProcess, "start", start))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Remembers whose process is started."""
    _playing.append(item)
    try:
        return (yield)
    finally:
        _playing.pop()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A run that many tests share counts for the first of them."""
    for item in items:
        if _marked(item) and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(SHARED_S))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Where only this marker is asked for, a file that does not name it need not be imported."""
    if config.option.markexpr != MARKER or collection_path.suffix != ".py":
        return None
    return True if MARKER not in collection_path.read_text(encoding="utf-8") else None
