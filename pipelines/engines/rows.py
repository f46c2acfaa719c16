"""Which engines a cascade's stages can have: one row each. Pure data.

A preset names one by ``engine = "…"`` in its stage's table. Most run in a child process, some of
them by the interpreter of an engine environment; some are Pipecat's own services; and some can't
run here, and say why.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

_ENGINES = "pipelines.engines"
_CHILD_TESTED = "random weights through the real loader"
_LLAMA = ("streaming", "prefix cache", "any GGUF with a chat template")


@dataclass(frozen=True, slots=True)
class EngineRow:
    """One engine of one stage."""

    stage: Literal["stt", "llm", "tts"]
    """Whose table names it."""
    name: str
    """As a preset names it."""
    what: str
    """Which library with which models."""
    licence: str
    """Of the library."""
    engine: str = ""
    """``module:class`` that a child process runs."""
    service: str = ""
    """``module:function`` that makes a service of Pipecat's, where there is no child."""
    environment: str = ""
    """Key of `pipelines.process.environment.ENVIRONMENTS`; empty: our own interpreter."""
    model: str = ""
    """Default of the preset's ``model``."""
    voice: str = ""
    """Default of the preset's ``voice``, where the engine has several."""
    devices: tuple[str, ...] = ("cpu",)
    """What it can compute on."""
    capabilities: tuple[str, ...] = ()
    """What it can do, in a word or two each."""
    tested: str = _CHILD_TESTED
    """With what our tests run it."""
    refusal: str = ""
    """Why it can't run, and what to take instead; empty: it can."""


ROWS: tuple[EngineRow, ...] = (
    EngineRow(
        "stt", "pocketsphinx", "PocketSphinx with its en-us model", "BSD-2-Clause",
        engine=f"{_ENGINES}.stt.pocketsphinx:PocketSphinxEngine",
        capabilities=("streaming", "partials", "domain language model"),
        tested="trained weights",
    ),
    EngineRow(
        "stt", "faster-whisper", "Whisper in CTranslate2: tiny, base, small, large-v3-turbo", "MIT",
        engine=f"{_ENGINES}.stt.whisper:WhisperEngine",
        environment="whisper",
        model="synthetic:tiny",
        devices=("cpu", "cuda"),
        capabilities=("partials by LocalAgreement-2", "short window", "int8"),
    ),
    EngineRow(
        "stt", "moonshine", "Moonshine tiny and base, and its streaming models", "MIT",
        engine=f"{_ENGINES}.stt.moonshine:MoonshineEngine",
        environment="moonshine",
        model="synthetic:tiny",
        capabilities=("partials by LocalAgreement-2",),
    ),
    EngineRow(
        "stt", "kyutai-stt", "Kyutai's delayed-streams recognisers on torch", "MIT",
        engine=f"{_ENGINES}.stt.kyutai_stt:KyutaiSttEngine",
        environment="moshi-torch",
        model="synthetic:1b",
        devices=("cuda", "cpu"),
        capabilities=("streaming", "partials"),
    ),
    EngineRow(
        "llm", "llama", "llama.cpp by xllamacpp", "MIT",
        engine=f"{_ENGINES}.llm.llama:LlamaEngine",
        model="creature-3m",
        devices=("cpu", "metal"),
        capabilities=_LLAMA,
        tested="trained weights; random weights through the real loader",
    ),
    EngineRow(
        "llm", "llama-cpp-python", "llama.cpp by llama-cpp-python, compiled here", "MIT",
        engine=f"{_ENGINES}.llm.llama_cpp_python:LlamaCppPythonEngine",
        environment="llama",
        model="creature-3m",
        capabilities=_LLAMA,
    ),
    EngineRow(
        "llm", "ollama", "an Ollama server, through Pipecat", "MIT",
        service="pipelines.cascade.llm_server:make",
        capabilities=("streaming", "a server's own models"),
        tested="protocol double",
    ),
    EngineRow(
        "llm", "openai-compatible", "any server of OpenAI's protocol, through Pipecat",
        "the server's",
        service="pipelines.cascade.llm_server:make",
        capabilities=("streaming", "a server's own models"),
        tested="protocol double",
    ),
    EngineRow(
        "tts", "espeak", "espeak-ng", "GPL-3.0-or-later",
        engine=f"{_ENGINES}.tts.espeak:EspeakEngine",
        voice="en-us",
        capabilities=("streaming", "aborts within a piece"),
        tested="trained weights",
    ),
    EngineRow(
        "tts", "piper", "Piper's voices", "GPL-3.0-or-later",
        engine=f"{_ENGINES}.tts.piper:PiperEngine",
        environment="piper",
        model="synthetic:medium",
        capabilities=("a sentence at a time", "phonemes for visemes", "aborts within a sentence"),
    ),
    EngineRow(
        "tts", "kokoro", "Kokoro 82M in onnxruntime", "MIT, espeak-ng within: GPL-3.0-or-later",
        engine=f"{_ENGINES}.tts.kokoro:KokoroEngine",
        environment="kokoro",
        model="synthetic:82m",
        voice="af_heart",
        capabilities=("a text at a time", "phonemes for visemes", "aborts within a text"),
    ),
    EngineRow(
        "tts", "pocket-tts", "Kyutai's Pocket TTS on torch", "MIT",
        engine=f"{_ENGINES}.tts.pocket_tts:PocketTtsEngine",
        environment="moshi-torch",
        model="synthetic:english",
        voice="alba",
        capabilities=("streaming", "aborts within a frame"),
    ),
)  # fmt: skip
"""Every engine that a preset may name."""


def engine_row(stage: str, name: str) -> EngineRow:
    """One row.

    Raises:
        ValueError: there is none of that name; the text names those that there are.
    """
    rows = {row.name: row for row in ROWS if row.stage == stage}
    if name not in rows:
        near = difflib.get_close_matches(name, rows, n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(f"engine = {name!r} is unknown{hint}; known: {', '.join(rows)}")
    return rows[name]
