"""What the chains share: real runs, each of which is played once, and one caller.

Who asks for them is in one process: marked ``realtime``, or (`engines`) in one file.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.caller.process import CallerProcess
from tests.bench.chains import real_runs


@pytest.fixture(scope="session")
def caller() -> Iterator[CallerProcess]:
    """The person, for trials that are played one by one."""
    with CallerProcess() as process:
        yield process


@pytest.fixture(scope="session")
def scripted(tmp_path_factory: pytest.TempPathFactory) -> real_runs.Scripted:
    """See `real_runs.play_scripted`."""
    return real_runs.play_scripted(tmp_path_factory.mktemp("scripted"))


@pytest.fixture(scope="session")
def engines(tmp_path_factory: pytest.TempPathFactory) -> real_runs.Engines:
    """See `real_runs.play_engines`."""
    return real_runs.play_engines(tmp_path_factory.mktemp("engines"))
