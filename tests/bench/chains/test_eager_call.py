"""The eager cascade in virtual time: real recogniser, language model and voice, exact times."""

from __future__ import annotations

import pytest

from bench.fixtures.library import fixtures_root, load
from pipelines.spec import load_spec
from tests.bench.chains.virtual_call import Called, call_preset


def played(fixture: str) -> Called:
    return call_preset(
        load_spec("cascade-eager"), load(fixtures_root() / f"{fixture}.toml"), streams=True
    )


@pytest.fixture(scope="module")
def plain() -> Called:
    return played("cmd_close_door")


def test_an_answer_is_ready_before_the_turn_is_over_and_heard_right_after(plain: Called) -> None:
    print([(m.stage, m.event, round((m.t_ns-plain.times("user","speech_off")[-1])/1e6,1), m.text) for m in plain.marks if m.stage in ("turn","vad","stt","llm","tts")])
    print(plain.trial.status, plain.ms("voice_to_voice"))
    assert 0
