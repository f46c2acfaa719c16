"""The forms of a session's agent: a preset, one model, or three engines."""

import pytest

from pipelines.errors import SpecError
from pipelines.server.session.forms import servable, spec_of
from pipelines.spec import load_spec


def test_a_voice_pipeline_s_id_names_a_cascade():
    assert spec_of({"omni": {"model": "voice-pipeline-cascade-stock"}}).name == "cascade-stock"
    assert spec_of("voice-pipeline-cascade-stock").name == "cascade-stock"
    with pytest.raises(SpecError, match=r"there is no preset 'cascade-stok' \(did you mean"):
        spec_of({"omni": {"model": "voice-pipeline-cascade-stok"}})


def test_a_model_of_a_preset_is_served_as_that_preset_says():
    assert spec_of({"omni": {"model": "nano-11m"}}).name == "duplex-nano"


def test_a_model_with_options_of_its_own_is_a_preset_of_its_own():
    spec = spec_of({"omni": {"model": "nano-11m", "backend": "nano", "weights": "shipped"}})
    assert (spec.stages["model"].id, spec.kind, spec.audio.in_rate_hz) == (
        "nano-11m",
        "duplex",
        24_000,
    )


def test_three_engines_are_a_cascade():
    spec = spec_of({"stt": "pocketsphinx", "llm": {"engine": "llama"}, "tts": "espeak"})
    assert [spec.stages[s].engine for s in ("stt", "llm", "tts")] == [
        "pocketsphinx",
        "llama",
        "espeak",
    ]
    assert spec.title == "pocketsphinx → llama → espeak"


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"omni": {"model": "voice-pipeline-x", "backend": "nano"}}, "there is no preset 'x'"),
        ({"omni": {}}, "model = 'an id' is missing"),
        ({"omni": "nano-11m"}, "a table is needed"),
        ({"stt": "pocketsphinx", "tts": "espeak"}, "'llm' is missing"),
        ({"llm": "llama"}, "give a preset's name"),
        ({"stt": "a", "llm": "b", "tts": "espeak"}, "engine = 'a' is unknown"),
        ("no-such", "There is no preset 'no-such'"),
    ],
)
def test_another_form_is_refused_in_a_sentence(form, said):
    with pytest.raises(SpecError, match=said):
        spec_of(form)


def test_who_needs_labels_or_is_elsewhere_is_not_served():
    with pytest.raises(SpecError, match="labels, which a live user has not"):
        servable(load_spec("cascade-scripted"))


def test_a_voice_pipeline_is_no_model_of_a_duplex_preset():
    from pipelines.duplex.adapters import adapter_of
    from pipelines.duplex.session.options import ModelOptions

    with pytest.raises(SpecError, match="names a cascade and no model: name the preset 'a-b'"):
        adapter_of(ModelOptions(id="voice-pipeline-a-b"))


def test_modalities_and_abilities_are_said_of_every_preset():
    from pipelines.readiness.capability import parts_of

    nano = load_spec("duplex-nano")
    assert nano.modalities == ("voice-to-voice",)
    assert [part.capabilities for part in parts_of(nano)] == [("text stream", "forced text")]
    parts = parts_of(load_spec("cascade-embedded"))
    assert parts[0].capabilities == ("streaming", "partials", "domain language model")
