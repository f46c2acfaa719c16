"""The pytest plugin of duplex-lab: the fixture `voice_agent`; nothing else changes.

::

    def test_answers_fast(voice_agent):
        run = voice_agent.call("cmd_close_door,cmd_dance")
        assert run.p50("voice_to_voice") <= 800

It is loaded with every pytest of the environment, so it imports nothing of the lab until the
fixture is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bench.testing.agent import VoiceAgent


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options by which the agent is named."""
    group = parser.getgroup("duplex-lab", "the agent of the fixture voice_agent (duplex-lab)")
    group.addoption(
        "--agent",
        metavar="URL|PRESET|BOT.py",
        help="address of a running agent (with --line), name or .toml file of a preset, or a "
        "Pipecat bot's file",
    )
    group.addoption(
        "--line", metavar="NAME", help="protocol of --agent URL: 'duplex-lab lines' lists them"
    )
    group.addoption(
        "--network",
        metavar="NAME",
        default="",
        help="network to simulate between user and agent: 'duplex-lab networks' lists them",
    )
    group.addoption(
        "--header-from-env",
        action="append",
        default=[],
        metavar="HEADER=VARIABLE",
        help="header of the request that opens the connection, its value from the environment",
    )


@pytest.fixture(scope="session")
def voice_agent(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> VoiceAgent:
    """The agent under test, as ``--agent`` names it.

    Without ``--agent`` a test that uses it is skipped.
    """
    named = request.config.getoption("--agent")
    if not named:
        pytest.skip("no voice agent is named: pytest --agent URL --line NAME, or --agent PRESET")
    from bench.testing.agent import VoiceAgent
    from pipelines.errors import LabError

    try:
        return VoiceAgent.named(
            named,
            request.config.getoption("--line"),
            request.config.getoption("--header-from-env"),
            tmp_path_factory.mktemp("voice-agent"),
            request.config.getoption("--network"),
        )
    except LabError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_assertrepr_compare(op: str, left: Any, right: Any) -> list[str] | None:
    """Explains a failed comparison with a figure: its turns, and where the run lies."""
    explain = getattr(left, "explain_failure", None)
    return explain(op, right) if callable(explain) else None
