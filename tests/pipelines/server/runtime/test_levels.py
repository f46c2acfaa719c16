"""The hardware's level: what fits, and whether a conversation begins here or elsewhere."""

import pytest

from bench.machine import hardware
from pipelines.server.runtime.levels import LEVELS, needs_gb, order
from pipelines.server.runtime.opening import runtime_of
from pipelines.server.runtime.options import PolicyOptions, WarmthOptions
from pipelines.server.skills.options import SkillOptions
from pipelines.spec import load_spec

LINE = "wss://voice.example.org/v1/stream"


def test_the_levels_are_those_of_doctor():
    assert [level.number for level in LEVELS] == [0, 1, 2, 3, 4, 5, 6]
    doctors = {number: least for least, number, _ in hardware.LEVELS}
    assert {level.number: level.fits_gb for level in LEVELS[1:]} == {
        number: least for number, least in doctors.items() if number
    }


@pytest.mark.parametrize(
    ("preset", "gb"),
    [
        ("duplex-nano", 0.03),  # 11 million in bf16
        ("duplex-7b-q4", 4.92),  # 7 billion × 0.5625 bytes × 1.25
        ("cascade-embedded", 0.0),  # 3 million
        ("cascade-whisper-llama-piper", 0.35),
        ("cascade-ollama", 0.0),  # its server's
        ("hosted-openai-realtime", 0.0),
        ("duplex-server", 0.0),
        ("click", 0.0),
    ],
)
def test_what_a_preset_takes_is_read_off_its_models_name(preset, gb):
    assert needs_gb(load_spec(preset)) == pytest.approx(gb, abs=0.01)


def test_what_the_hardware_can_t_run_begins_elsewhere_and_ends_here_at_last():
    chain = ["cascade-embedded", LINE]
    assert order("duplex-7b-q4", 4.92, 0, chain, [LINE]) == [
        LINE, "duplex-7b-q4", "cascade-embedded"
    ]  # fmt: skip
    assert order("duplex-7b-q4", 4.92, 1, chain, [LINE]) == ["duplex-7b-q4", *chain]
    assert order("duplex-nano", 0.03, 0, chain, [LINE]) == ["duplex-nano", *chain]
    assert order("duplex-7b-q4", 4.92, 0, ["cascade-embedded"], []) == [
        "duplex-7b-q4", "cascade-embedded"
    ]  # fmt: skip
    assert order("cascade-embedded", 0.0, 6, chain, [LINE]) == ["cascade-embedded", LINE]


def test_a_level_of_the_options_goes_before_the_machine_s():
    def made(level):
        served = [load_spec("duplex-7b-q4")]
        policy = PolicyOptions(fallback=(LINE,), level=level)
        return runtime_of(served, SkillOptions(), policy, WarmthOptions(), 0)

    assert made(-1).order("duplex-7b-q4")[0] == LINE
    assert made(3).order("duplex-7b-q4") == ["duplex-7b-q4", LINE]
