"""Who speaks into the eager agent's answer, in virtual time: it is silent at once, then stops or
goes on.
"""

from __future__ import annotations

import pytest

from bench.fixtures.library import fixtures_root, load
from pipelines.clock import NS_PER_MS
from pipelines.spec import load_spec
from tests.bench.chains.virtual_call import Called, call_preset


@pytest.fixture(scope="module")
def talk() -> Called:
    """Questions with long answers; two interruptions and three backchannels speak into them."""
    fixture = load(fixtures_root() / "floor_02.toml")
    return call_preset(load_spec("cascade-eager"), fixture, streams=True)


def test_an_interruption_silences_the_agent_within_a_quarter_of_a_second(talk: Called) -> None:
    assert talk.trial.status == "ok"
    stops = talk.values("barge_in_stop")
    assert len(stops) == 2
    assert max(stops) < 224, "0.6 of what Pipecat's defaults take, 373 ms"


def test_no_backchannel_stops_the_agent(talk: Called) -> None:
    assert talk.values("false_interruption") == [0.0, 0.0, 0.0]


def test_speech_that_was_held_goes_on_or_is_dropped_by_an_interruption(talk: Called) -> None:
    holds, resumes = talk.times("link", "hold"), talk.times("link", "resume")
    assert len(holds) == len(resumes) >= 5
    assert talk.times("link", "withheld"), "the two interruptions"
    for held, resumed in zip(holds, resumes, strict=True):
        assert 0 < resumed - held < 700 * NS_PER_MS


def test_nothing_is_heard_while_speech_is_held(talk: Called) -> None:
    writes = talk.times("link", "write")
    holds, resumes = talk.times("link", "hold"), talk.times("link", "resume")
    for held, resumed in zip(holds, resumes, strict=True):
        assert not [t for t in writes if held < t < resumed]
