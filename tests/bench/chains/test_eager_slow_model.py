"""What eager end of turn gains with a slow language model, in virtual time: nothing else takes any.

The model is the creature's; its first token is held back by a known time.
"""

from __future__ import annotations

import pytest

from bench.fixtures.library import fixtures_root, load
from pipelines.spec import PRESETS, parse_spec
from tests.bench.chains.virtual_call import Called, call_preset


def answered(preset: str, ttft_ms: int) -> Called:
    text = (PRESETS / f"{preset}.toml").read_text(encoding="utf-8")
    slow = text.replace("[llm]\n", f"[llm]\nadded_ttft_ms = {ttft_ms}\n")
    fixture = load(fixtures_root() / "q_cup_on_shelf.toml")
    return call_preset(parse_spec(preset, slow), fixture, streams=True)


@pytest.fixture(scope="module", params=[300, 800])
def both(request: pytest.FixtureRequest) -> tuple[int, Called, Called]:
    """The first token's time, and the same question to the plain and to the eager cascade."""
    return (
        request.param,
        answered("cascade-embedded", request.param),
        answered("cascade-eager", request.param),
    )


def test_the_plain_cascade_pays_the_whole_first_token(both: tuple[int, Called, Called]) -> None:
    ttft_ms, plain, _ = both
    assert plain.ms("llm_ttft") == pytest.approx(ttft_ms, abs=1)
    voice_to_voice = plain.ms("voice_to_voice")
    assert voice_to_voice is not None and voice_to_voice > 200 + ttft_ms


def test_the_eager_one_pays_it_from_the_prediction_on(both: tuple[int, Called, Called]) -> None:
    ttft_ms, _, eager = both
    predicted_ms = eager.since_end_ms("turn", "predicted")[-1]
    released_ms = eager.since_end_ms("turn", "release")[-1]
    heard_ms = eager.ms("voice_to_voice")
    assert heard_ms == pytest.approx(max(released_ms, predicted_ms + ttft_ms), abs=25)


def test_the_gain_is_at_least_the_detectors_patience(both: tuple[int, Called, Called]) -> None:
    _, plain, eager = both
    heard_plain, heard_eager = plain.ms("voice_to_voice"), eager.ms("voice_to_voice")
    assert heard_plain is not None and heard_eager is not None
    print(heard_plain, heard_eager)
    assert heard_plain - heard_eager > 100
