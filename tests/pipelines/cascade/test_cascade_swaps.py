"""One line of a preset swaps one stage; what can't run is refused with its reason."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.cascade.build import prepare
from pipelines.cascade.provide import check, provide
from pipelines.engines.adapters import all_rows, engine_row
from pipelines.engines.processes import model_files
from pipelines.errors import LabError, SpecError
from pipelines.marks import MarkList
from pipelines.process.pool import ModelPool
from pipelines.readiness.capability import environments_of
from pipelines.spec import PRESETS, PipelineSpec, load_spec, parse_spec
from tests.pipelines.cascade.test_build import SPEECH, chunks_of, converse
from tests.pipelines.local_engines import skip_without_torch

EMBEDDED = (PRESETS / "cascade-embedded.toml").read_text(encoding="utf-8")
OWN = {"stt": "pocketsphinx", "llm": "llama", "tts": "espeak"}


def swapped(stage: str, engine: str) -> PipelineSpec:
    """cascade-embedded with another engine: one line is changed."""
    text = EMBEDDED.replace(f'engine = "{OWN[stage]}"', f'engine = "{engine}"')
    return parse_spec("mine", text)


@pytest.mark.parametrize("row", all_rows(), ids=lambda row: f"{row.stage}-{row.name}")
def test_every_engine_is_swapped_in_by_one_line_or_refused_with_its_reason(row: Any) -> None:
    spec = swapped(row.stage, row.name)
    if row.refusal:
        with pytest.raises(SpecError, match=rf"mine\.toml \[{row.stage}\]: {row.name} can't run: "):
            check(spec)
        return
    assert check(spec) == ([row.stage] if row.model.startswith("synthetic:") else [])


def test_each_engine_can_run_or_says_why_not() -> None:
    for row in all_rows():
        ways = [bool(row.engine), bool(row.service), bool(row.refusal)]
        assert sum(ways) == 1, row
        assert row.licence and row.tested and row.devices
    for a, b in itertools.combinations(all_rows(), 2):
        assert (a.stage, a.name) != (b.stage, b.name)


def test_an_unknown_engine_names_the_known_ones() -> None:
    with pytest.raises(SpecError, match=r"\[tts\]: engine = 'pipper' is unknown \(did you mean"):
        swapped("tts", "pipper")
    with pytest.raises(ValueError, match=r"known: .*pocketsphinx, faster-whisper"):
        engine_row("stt", "vosk")


def test_rows_are_never_mislabelled(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"\[tts\] has random weights.*set weights = 'synthetic'"):
        provide(swapped("tts", "piper"), print)
    spec = replace(load_spec("cascade-embedded"), weights="synthetic")
    with pytest.raises(SpecError, match="no stage has random weights: set weights = 'trained'"):
        provide(spec, print)


def test_a_size_that_is_not_made_names_those_that_are() -> None:
    text = EMBEDDED.replace('"creature-3m"', '"synthetic:9b"')
    with pytest.raises(SpecError, match=r"known: synthetic:micro, synthetic:0\.5b"):
        check(parse_spec("mine", text))
    text = EMBEDDED.replace('engine = "espeak"', 'engine = "espeak"\nmodel = "synthetic:micro"')
    with pytest.raises(SpecError, match=r"\[tts\]: espeak takes no model of ours"):
        check(parse_spec("mine", text))


def small(name: str) -> PipelineSpec:
    """A preset of random weights at the size that is for tests."""
    text = (PRESETS / f"{name}.toml").read_text(encoding="utf-8")
    for size in ("tiny", "0.5b", "medium", "82m", "english", "1b"):
        text = text.replace(f'"synthetic:{size}"', '"synthetic:micro"')
    return parse_spec(name, text)


def test_the_user_waits_for_a_cascade_s_answer_whatever_its_weights() -> None:
    assert not load_spec("cascade-whisper-llama-piper").babbles
    assert load_spec("duplex-tiny").babbles and not load_spec("duplex-moshiko-q4").babbles


CONVERSATIONS = {
    "cascade-whisper-llama-piper": {
        "whisper synthetic:micro": "model.bin",
        "synthetic:micro": "model.gguf",
        "piper synthetic:micro": "voice.onnx",
    },
    "cascade-moonshine-llama-kokoro": {
        "moonshine synthetic:micro": "decoder_model_merged.ort",
        "synthetic:micro": "model.gguf",
        "kokoro synthetic:micro": "kokoro.onnx",
    },
    "cascade-kyutai": {
        "kyutai-stt synthetic:micro": "mimi-pytorch-e351c8d8@125.safetensors",
        "synthetic:micro": "model.gguf",
        "pocket-tts synthetic:micro": "model.safetensors",
    },
}


@pytest.mark.parametrize("name", CONVERSATIONS)
async def test_random_weights_of_all_stages_hold_a_conversation_of_random_words(name: str) -> None:
    spec = small(name)
    for needed in environments_of(spec):
        skip_without_torch(needed)
    try:
        await asyncio.to_thread(provide, spec, print)
    except LabError as error:
        pytest.skip(str(error))
    assert {f["name"]: f["file"] for f in model_files(spec)} == CONVERSATIONS[name]
    async with ModelPool(MarkList()) as models:
        await prepare(spec, models)
        marks, written = await converse(spec, models, chunks_of(SPEECH), until="tts.end")
    events = [f"{m.stage}.{m.event}" for m in marks]
    path = ["stt.request", "stt.finalize", "stt.final", "llm.request", "llm.to_tts", "tts.request"]
    assert [e for e in events if e in path][: len(path)] == path
    final = next(m for m in marks if (m.stage, m.event) == ("stt", "final"))
    assert final.text and any(c.isalpha() for c in final.text)
    assert written and any(any(pcm) for _, pcm in written)
