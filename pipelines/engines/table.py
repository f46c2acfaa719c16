"""Which process serves which stage's options: name, engine and engine options."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pipelines.engines.model_files import (
    StageOptions,
    has_random_weights,
    model_of,
    model_path,
    stage_of,
    voice_of,
)
from pipelines.engines.options import LlmOptions, SttOptions, TtsOptions
from pipelines.engines.rows import engine_row
from pipelines.engines.stt.pocketsphinx import SENTENCES
from pipelines.engines.tts.kokoro import RATE_HZ as KOKORO_HZ
from pipelines.engines.tts.piper import read_config
from pipelines.engines.tts.pocket_tts import RATE_HZ as POCKET_HZ
from pipelines.errors import ModelError
from pipelines.process.engine import EngineError
from pipelines.process.link import CANCEL_GRACE_S
from pipelines.spec import PipelineSpec

OUR_LOAD_S = 60.0
"""How long one of the small engines that the package brings may take to load."""
LOAD_S = 180.0
"""The same of a big model, on a slow disk or a busy machine; an agent waits for 240 s."""


@dataclass(frozen=True, slots=True)
class EngineSpec:
    """Arguments of `pipelines.process.pool.ModelPool.get`."""

    name: str
    """What marks and errors call the model."""
    engine: str
    """``module:class``."""
    options: dict[str, Any] = field(default_factory=dict)
    """Keyword arguments of the class."""
    request_timeout_s: float = 5.0
    """Longest silence while an answer is owed; see the preset's ``timeout_secs``."""
    environment: str = ""
    """The engine environment whose interpreter runs it; empty: our own."""
    cancel_grace_s: float = CANCEL_GRACE_S
    """Longest step of the engine, which no cancel can break off."""
    load_timeout_s: float = OUR_LOAD_S
    """Most that starting, loading and warming up may take together."""
    rate_hz: int = 0
    """Of a synthesiser's audio; 0: espeak-ng's."""


def stt_engine(options: SttOptions) -> EngineSpec:
    """The recogniser's process."""
    return _engine(options)


def llm_engine(options: LlmOptions) -> EngineSpec:
    """The language model's process."""
    return _engine(options)


def tts_engine(options: TtsOptions) -> EngineSpec:
    """The synthesiser's process."""
    return _engine(options)


def _engine(options: StageOptions) -> EngineSpec:
    stage = stage_of(options)
    row = engine_row(stage, options.engine)
    name, arguments = _ARGUMENTS[options.engine](options)
    # A step of a big model (a window, a long prompt) may take as long as an answer.
    ours = _is_ours(options)
    grace_s = CANCEL_GRACE_S if ours else max(CANCEL_GRACE_S, options.timeout_secs)
    load_s = OUR_LOAD_S if ours else LOAD_S
    rate_hz = _rate_hz(options) if isinstance(options, TtsOptions) else 0
    return EngineSpec(
        name, row.engine, arguments, options.timeout_secs, row.environment, grace_s, load_s, rate_hz
    )


def _is_ours(options: StageOptions) -> bool:
    """Whether it is one of the small engines that the package brings, whose steps are short."""
    return options.engine in ("pocketsphinx", "espeak") or model_of(options) == "creature-3m"


def _pocketsphinx(options: SttOptions) -> tuple[str, dict[str, Any]]:
    return "pocketsphinx", {
        "lm": options.lm,
        "sentences": options.sentences or None,
        "bestpath": options.bestpath,
        "fwdflat": options.fwdflat,
    }


def _whisper(options: SttOptions) -> tuple[str, dict[str, Any]]:
    model = model_of(options)
    forced = options.forced_tokens_per_s if has_random_weights(options.engine, model) else 0.0
    return f"whisper {_short(model)}", {
        "model": str(model_path(options.engine, model)),
        "language": options.language,
        "device": options.device,
        "compute": options.compute,
        "threads": options.threads,
        "beam": options.beam,
        "window": options.window,
        "partials": options.partials,
        "step_ms": options.step_ms,
        "tokens_per_s": forced,
    }


def _llama(options: LlmOptions) -> tuple[str, dict[str, Any]]:
    model = model_of(options)
    return _short(model), {
        "model": str(model_path(options.engine, model)),
        "system": system_prompt(options, scene=None),
        "context_tokens": options.context_tokens,
        "threads": options.threads,
        "gpu_layers": options.gpu_layers,
        "temperature": options.temperature,
    }


def _espeak(options: TtsOptions) -> tuple[str, dict[str, Any]]:
    return "espeak-ng", {"voice": voice_of(options), "rate_wpm": options.rate_wpm}


def _piper(options: TtsOptions) -> tuple[str, dict[str, Any]]:
    model = model_of(options)
    return f"piper {_short(model)}", {
        "model": str(model_path(options.engine, model)),
        "threads": options.threads,
        "speaker": options.speaker,
        "length_scale": options.length_scale,
        "alignments": options.alignments,
    }


def _moonshine(options: SttOptions) -> tuple[str, dict[str, Any]]:
    model = model_of(options)
    forced = options.forced_tokens_per_s if has_random_weights(options.engine, model) else 0.0
    return f"moonshine {_short(model)}", {
        "model": str(model_path(options.engine, model)),
        "partials": options.partials,
        "step_ms": options.step_ms,
        "tokens_per_s": forced,
    }


def _kyutai_stt(options: SttOptions) -> tuple[str, dict[str, Any]]:
    model = model_of(options)
    return f"kyutai-stt {_short(model)}", {
        "model": str(model_path(options.engine, model)),
        "device": options.device,
        "threads": options.threads,
        "partials": options.partials,
    }


def _kokoro(options: TtsOptions) -> tuple[str, dict[str, Any]]:
    model = model_of(options)
    return f"kokoro {_short(model)}", {
        "model": str(model_path(options.engine, model)),
        "voice": voice_of(options),
        "threads": options.threads,
        "length_scale": options.length_scale,
        "alignments": options.alignments,
    }


def _pocket_tts(options: TtsOptions) -> tuple[str, dict[str, Any]]:
    model = model_of(options)
    forced = FORCED_S_PER_CHAR if has_random_weights(options.engine, model) else 0.0
    return f"pocket-tts {_short(model)}", {
        "model": str(model_path(options.engine, model)),
        "voice": voice_of(options),
        "threads": options.threads,
        "forced_s_per_char": forced,
    }


def _rate_hz(options: TtsOptions) -> int:
    """Of its audio, where it is known before the engine runs; 0: espeak-ng's."""
    if options.engine != "piper":
        return _RATES_HZ.get(options.engine, 0)
    try:
        path = model_path(options.engine, model_of(options))
        return int(read_config(path)["audio"]["sample_rate"])
    except EngineError as error:
        raise ModelError(f"[tts]: {error}.") from error


FORCED_S_PER_CHAR = 0.07
"""How long Pocket TTS speaks with random weights: as long as a person, roughly."""
_RATES_HZ = {"kokoro": KOKORO_HZ, "pocket-tts": POCKET_HZ}
_ARGUMENTS: dict[str, Callable[[Any], tuple[str, dict[str, Any]]]] = {
    "pocketsphinx": _pocketsphinx,
    "faster-whisper": _whisper,
    "moonshine": _moonshine,
    "kyutai-stt": _kyutai_stt,
    "llama": _llama,
    "llama-cpp-python": _llama,
    "espeak": _espeak,
    "piper": _piper,
    "kokoro": _kokoro,
    "pocket-tts": _pocket_tts,
}
"""Engine → its process's name, and the keyword arguments of its class."""

_PACKAGES = {"pocketsphinx": "pocketsphinx", "espeak": "espeakng-loader"}
"""Engine → the package that its model comes with."""


def answer_tokens(options: LlmOptions) -> int:
    """Most tokens of an answer: of random weights, the length that is forced on it."""
    if has_random_weights(options.engine, model_of(options)):
        return min(options.forced_tokens, options.max_tokens)
    return options.max_tokens


def model_files(spec: PipelineSpec) -> list[dict[str, str]]:
    """The files of the preset's models, as ``run.json`` lists them: name, file, sha256."""
    return [entry for stage in ("stt", "llm", "tts") for entry in _files(spec.stages[stage])]


def _files(options: StageOptions) -> list[dict[str, str]]:
    if package := _PACKAGES.get(options.engine):
        name = "pocketsphinx en-us" if options.engine == "pocketsphinx" else "espeak-ng"
        files = [{"name": name, "file": f"{package} {version(package)}"}]
        if isinstance(options, SttOptions) and options.lm == "domain":
            # Its language model is built of them when it loads.
            said = Path(options.sentences) if options.sentences else SENTENCES
            known = {"file": said.name, "sha256": _sha256(said)}
            files.append({"name": "pocketsphinx domain sentences", **known})
        return files
    if options.engine not in _ARGUMENTS:  # a server: its files are its own
        return [{"name": f"{options.engine} {model_of(options)}", "file": ""}]
    main = _main_file(model_path(options.engine, model_of(options)))
    name = _ARGUMENTS[options.engine](options)[0]
    return [{"name": name, "file": main.name, "sha256": _sha256(main)}]


def gguf_path(model: str) -> Path:
    """The file of a language model."""
    return model_path("llama", model)


def _main_file(path: Path) -> Path:
    """The largest file of a model's folder, which is where its weights are."""
    files = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else []
    return max(files, key=lambda p: (p.stat().st_size, p.name), default=path)


def system_prompt(options: LlmOptions, scene: str | None) -> str:
    """The system message: what the preset says, then the scene (or the model's own, if none)."""
    is_file = not engine_row("llm", options.engine).service
    facts = scene or (_manifest_system(gguf_path(model_of(options))) if is_file else "")
    return f"{options.system} {facts}".strip()


def _short(model: str) -> str:
    """What a model is called: its id, or its file's name."""
    return model if model.startswith("synthetic:") else Path(model).stem


def _sha256(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _manifest_system(model: Path) -> str:
    try:
        with (model.parent / "manifest.toml").open("rb") as file:
            return str(tomllib.load(file).get("system_prompt", ""))
    except (OSError, tomllib.TOMLDecodeError):
        return ""  # the engine tells about a broken manifest when it loads
