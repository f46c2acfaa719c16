"""Which process serves which stage's options: name, engine and engine options. Pure."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipelines.cascade.engines.pocketsphinx import SENTENCES
from pipelines.cascade.options import LlmOptions, SttOptions, TtsOptions
from pipelines.spec import PipelineSpec

_ENGINES = "pipelines.cascade.engines"
MODELS = Path(__file__).parents[1] / "models"

GGUF_MODELS: dict[str, str] = {
    "creature-3m": "creature/creature-3m-q8_0.gguf",
}
"""Name in a preset → file under `MODELS`."""


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """Arguments of `pipelines.pool.ModelPool.get`."""

    name: str
    """What marks and errors call the model."""
    engine: str
    """``module:class``."""
    options: dict[str, Any] = field(default_factory=dict)
    """Keyword arguments of the class."""
    request_timeout_s: float = 5.0
    """Longest silence while an answer is owed; see the preset's ``timeout_secs``."""


def stt_engine(options: SttOptions) -> EngineSpec:
    """The recogniser's process."""
    engine = {
        "lm": options.lm,
        "sentences": options.sentences or None,
        "bestpath": options.bestpath,
        "fwdflat": options.fwdflat,
    }
    return EngineSpec(
        "pocketsphinx", f"{_ENGINES}.pocketsphinx:PocketSphinxEngine", engine, options.timeout_secs
    )


def llm_engine(options: LlmOptions) -> EngineSpec:
    """The language model's process."""
    engine = {
        "model": str(gguf_path(options.model)),
        "system": system_prompt(options, scene=None),
        "context_tokens": options.context_tokens,
        "threads": options.threads,
        "gpu_layers": options.gpu_layers,
        "temperature": options.temperature,
    }
    return EngineSpec(
        Path(options.model).stem, f"{_ENGINES}.llama:LlamaEngine", engine, options.timeout_secs
    )


def tts_engine(options: TtsOptions) -> EngineSpec:
    """The synthesiser's process."""
    engine = {"voice": options.voice, "rate_wpm": options.rate_wpm}
    return EngineSpec("espeak-ng", f"{_ENGINES}.espeak:EspeakEngine", engine, options.timeout_secs)


def model_files(spec: PipelineSpec) -> list[dict[str, str]]:
    """The files of the preset's models, as ``run.json`` lists them: name, file, sha256."""
    gguf = gguf_path(spec.stages["llm"].model)
    files = [
        {"name": "pocketsphinx en-us", "file": f"pocketsphinx {version('pocketsphinx')}"},
        {"name": Path(spec.stages["llm"].model).stem, "file": gguf.name, "sha256": _sha256(gguf)},
        {"name": "espeak-ng", "file": f"espeakng-loader {version('espeakng-loader')}"},
    ]
    stt: SttOptions = spec.stages["stt"]
    if stt.lm == "domain":  # its language model is built of them when it loads
        said = Path(stt.sentences) if stt.sentences else SENTENCES
        name = "pocketsphinx domain sentences"
        files.insert(1, {"name": name, "file": said.name, "sha256": _sha256(said)})
    return files


def gguf_path(model: str) -> Path:
    """The file of a model's name; anything else is taken as a path."""
    return MODELS / GGUF_MODELS[model] if model in GGUF_MODELS else Path(model)


def system_prompt(options: LlmOptions, scene: str | None) -> str:
    """The system message: what the preset says, then the scene (or the model's own, if none)."""
    facts = scene or _manifest_system(gguf_path(options.model))
    return f"{options.system} {facts}".strip()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def _manifest_system(model: Path) -> str:
    try:
        with (model.parent / "manifest.toml").open("rb") as file:
            return str(tomllib.load(file).get("system_prompt", ""))
    except (OSError, tomllib.TOMLDecodeError):
        return ""  # the engine tells about a broken manifest when it loads
