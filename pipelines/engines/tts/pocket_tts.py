"""Speech synthesis by Pocket TTS (Kyutai's pocket-tts on torch): 80 ms at a time, streaming.

Request ``speak`` with header ``text`` answers ``{}`` with 24 kHz int16 PCM, a piece for each
decoded block. The package would fetch weights, tokenizer and voice where its configuration names
the hub: this engine passes a copy of its configuration that names the files of one folder.
"""

from __future__ import annotations

import logging
import math
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipelines.engines.row import EngineRow, Model
from pipelines.engines.stt.kyutai_stt import check_weights
from pipelines.engines.tts.abortable import first_line, when_cancelled
from pipelines.engines.tts.pcm_out import PcmOut
from pipelines.process.engine import Emit, EngineError, Request
from pipelines.process.scratch import Scratch

if TYPE_CHECKING:
    from pipelines.engines.options import TtsOptions

RATE_HZ = 24000
FRAMES_PER_S = 12.5
CONFIG = "config.yaml"
"""File in the folder, where the model is none of the package's own languages."""
FORCED_S_PER_CHAR = 0.07
"""Duration of each character with random weights, s: about as with a person."""
_STREAM = "duplex-lab: stream"
"""Key of our decoder's state beside those of the package's modules."""
_NEVER_BEFORE = 6
"""Number of frames before which the package accepts no end."""


class PocketTtsEngine:
    """One voice of one model."""

    def __init__(
        self,
        *,
        model: str,
        voice: str = "alba",
        threads: int = 1,
        forced_s_per_char: float = 0.0,
        codec: Literal["torch", "onnx"] = "torch",
    ) -> None:
        """Describes the voice.

        Args:
            model: Folder with ``model.safetensors``, ``tokenizer.json`` or ``.model``, and the
                voices as ``NAME.safetensors``; below it they may lie as on the hub.
            voice: Name of the voice.
            threads: Threads of torch.
            forced_s_per_char: Duration of each character, for random weights, which never stop
                by themselves; 0: the model decides.
            codec: Runtime of the codec's decoder.
        """
        self._folder = Path(model)
        self._voice = voice
        self._threads = threads
        self._forced = forced_s_per_char
        self._codec = codec
        self._model: Any = None
        self._state: Any = None

    def load(self) -> None:
        """Loads model and voice; nothing is ever fetched."""
        files = files_of(self._folder, self._voice)
        check_weights(files["weights"], files["voice"])
        logging.getLogger("pocket_tts").setLevel(logging.ERROR)
        import torch
        from pocket_tts import TTSModel

        torch.set_num_threads(self._threads)  # the package sets 1 when it is imported
        with Scratch("pocket-") as folder:
            path = folder / CONFIG
            path.write_text(_local_config(files), encoding="utf-8")
            # Random weights would end anywhere: they end at once, and go on for a set time.
            ends = {"eos_threshold": -math.inf} if self._forced else {}
            try:
                self._model = TTSModel.load_model(config=path, **ends)
                self._state = self._model.get_state_for_audio_prompt(files["voice"])
            except Exception as error:  # torch, pydantic, safetensors: exceptions of many kinds
                raise EngineError(
                    f"Pocket TTS can't load {self._folder} ({first_line(error)}): fetch the model "
                    "again"
                ) from error
        if self._codec == "onnx":
            self._decode_by_onnx(files["weights"])

    def warm_up(self) -> None:
        """Synthesises a word without output."""
        for _ in self._stream("Hello.", threading.Event()):
            pass

    def run(self, request: Request, emit: Emit) -> None:
        """Speaks ``text``."""
        text = str(request.header["text"])
        out = PcmOut(emit)
        if any(c.isalnum() for c in text):
            stop = threading.Event()
            with when_cancelled(emit, stop.set):
                for pcm in self._stream(text, stop):
                    if not emit.cancelled:
                        out.send(pcm)
        if not emit.cancelled:
            out.end()

    def _decode_by_onnx(self, weights: Path) -> None:
        """Puts our decoder in the place of the package's.

        An utterance's state lies with the state that the package makes anew for each.
        """
        import torch

        from pipelines.duplex.moshi.onnx.pocket import PocketDecoder
        from pipelines.weights.error import WeightsError

        codec = self._model.config.mimi
        shape = codec.decoder_transformer or codec.transformer
        try:
            decoder = PocketDecoder(
                weights, heads=shape.num_heads, context=shape.context, threads=self._threads
            )
        except WeightsError as error:
            raise EngineError(str(error).rstrip(".")) from error

        def decode_from_latent(latent: Any, state: dict[str, Any]) -> Any:
            """(1, frames, latent) → (1, 1, samples)"""
            if _STREAM not in state:
                state[_STREAM] = decoder.open()
            said = state[_STREAM].decode(latent[0].numpy())
            return torch.from_numpy(said)[None, None]

        self._model.mimi.decode_from_latent = decode_from_latent

    def _stream(self, text: str, stop: threading.Event) -> Any:
        """The text's audio, as it is made; heard out even when stopped, so that no thread stays."""
        import torch

        rest = None
        if self._forced:
            wanted = math.ceil(len(text) * self._forced * FRAMES_PER_S)
            rest = max(0, wanted - _NEVER_BEFORE)
        chunks = self._model.generate_audio_stream(
            self._state, text, frames_after_eos=rest, copy_state=True, stop=stop
        )
        for chunk in chunks:  # (samples,) float32
            yield (chunk.clamp(-1.0, 1.0) * 32767).to(torch.int16).numpy().tobytes()


def files_of(folder: Path, voice: str) -> dict[str, Path]:
    """The files of a model: weights, tokenizer, voice, and its configuration where it has one.

    Raises:
        EngineError: one of them is not there; the text names the voices that are.
    """
    if not folder.is_dir():
        raise EngineError(f"The folder {folder} of Pocket TTS is not there: fetch the model")
    files = {}
    for what, patterns in (
        ("weights", ("model.safetensors",)),
        ("tokenizer", ("tokenizer.json", "tokenizer.model")),
        ("voice", (f"{voice}.safetensors",)),
    ):
        found = [path for pattern in patterns for path in sorted(folder.rglob(pattern))]
        if not found:
            voices = sorted(p.stem for p in folder.rglob("*.safetensors") if p.stem != "model")
            has = f"; its voices: {', '.join(voices)}" if what == "voice" and voices else ""
            raise EngineError(
                f"{folder} lacks {' or '.join(patterns)}{has}: give a Pocket TTS, complete"
            )
        files[what] = found[0]
    if (own := folder / CONFIG).is_file():
        files["config"] = own
    return files


def _local_config(files: dict[str, Path]) -> str:
    """The model's configuration, its addresses replaced by our files."""
    import yaml

    path = files.get("config") or _packaged(files["weights"].parent.name)
    try:
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
        table["weights_path"] = str(files["weights"])
        table["weights_path_without_voice_cloning"] = None
        table["flow_lm"]["lookup_table"]["tokenizer_path"] = str(files["tokenizer"])
        kind = "tokenizers" if files["tokenizer"].suffix == ".json" else "sentencepiece"
        table["flow_lm"]["lookup_table"]["tokenizer"] = kind
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise EngineError(f"{path} is no configuration of Pocket TTS: fetch it again") from error
    return str(yaml.safe_dump(table))


def _packaged(language: str) -> Path:
    """The package's own configuration of a language, named as the weights' folder on the hub."""
    from pocket_tts.utils.config import CONFIGS_DIR

    path = Path(CONFIGS_DIR) / f"{language}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in Path(CONFIGS_DIR).glob("*.yaml")))
        raise EngineError(
            f"Pocket TTS knows no language {language!r}, the name of the weights' folder (known: "
            f"{known}): name it so, or put the model's {CONFIG} beside"
        )
    return path


@dataclass(frozen=True, slots=True)
class Settings:
    """``settings`` of this engine."""

    codec: Literal["torch", "onnx"] = "torch"
    """Runtime of the codec's decoder; the rest is torch's."""


def _arguments(options: TtsOptions, model: Model) -> dict[str, Any]:
    return {
        "model": str(model.path),
        "voice": options.voice or ROW.voice,
        "threads": options.threads,
        "forced_s_per_char": FORCED_S_PER_CHAR if model.random else 0.0,
        "codec": options.settings.get("codec", "torch"),
    }


ROW = EngineRow(
    stage="tts",
    name="pocket-tts",
    what="Kyutai's Pocket TTS on torch",
    licence="MIT",
    engine=PocketTtsEngine,
    arguments=_arguments,
    settings=Settings,
    reads=("model",),
    model="synthetic:english",
    voice="alba",
    environment="moshi-torch",
    maker="pipelines.engines.synthetic.pocket_tts:MAKER",
    rate_hz=lambda model: RATE_HZ,
    capabilities=("streaming", "aborts within a frame"),
    measured=("english",),
)
