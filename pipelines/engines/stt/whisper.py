"""Speech recognition by Whisper (faster-whisper on CTranslate2), with streaming partials.

One request is one utterance, as in `pipelines.engines.stt.pocketsphinx`. While it grows it is
decoded again every ``step_ms`` of audio, and the words on which two decodings agree are a partial
transcript; at the end it is decoded once more. A decoding can't be interrupted, so the end may have
to wait for a running one: set ``partials = false`` where that matters more than partials do.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipelines.engines.row import EngineRow, Model
from pipelines.engines.stt.agreement import LocalAgreement
from pipelines.process.engine import Emit, EngineError, Request

if TYPE_CHECKING:
    from pipelines.engines.options import SttOptions

RATE_HZ = 16000
FILES = ("model.bin", "config.json", "tokenizer.json")
"""Files that faster-whisper needs in a model's folder; without the last it would look on the
network."""
_FULL_FRAMES = 3000  # 30 s of 10 ms
_LONGEST_BYTES = 28 * 2 * RATE_HZ  # longer answers are decoded in parts
_MOST_TOKENS = 448
_PAD_FRAMES = 50
_NO_SPEECH = 0.6
_UNSURE = -1.0


class WhisperEngine:
    """One Whisper in CTranslate2's form."""

    def __init__(
        self,
        *,
        model: str,
        language: str = "en",
        device: str = "cpu",
        compute: str = "int8",
        threads: int = 1,
        beam: int = 1,
        window: Literal["full", "short"] = "full",
        partials: bool = True,
        step_ms: int = 500,
        tokens_per_s: float = 0.0,
    ) -> None:
        """Describes the recogniser.

        Args:
            model: Folder of a converted model, with its ``tokenizer.json``.
            language: Two letters; an English-only model knows English alone.
            device: ``cpu``, ``cuda`` or ``auto``.
            compute: CTranslate2's type of arithmetic.
            threads: Threads of the computation.
            beam: Hypotheses kept; 1 is greedy.
            window: ``full`` encodes 30 s of padded audio, as Whisper was trained; ``short`` only
                what is there, many times as fast, for some loss of accuracy.
            partials: True to decode while the utterance grows.
            step_ms: New audio that a partial decoding waits for.
            tokens_per_s: Tokens to say for each second of audio, for random weights, which never
                stop by themselves; 0: the model decides.
        """
        self._folder = Path(model)
        self._language = language
        self._loading = {"device": device, "compute_type": compute, "cpu_threads": threads}
        self._beam = beam
        self._window = window
        self._step_bytes = 2 * (step_ms * RATE_HZ // 1000) if partials else 0
        self._tokens_per_s = tokens_per_s
        self._model: Any = None
        self._tokenizer: Any = None
        self._prompt: list[int] = []

    def load(self) -> None:
        """Checks the folder, then loads it; nothing is ever fetched."""
        check_folder(self._folder)
        from faster_whisper import WhisperModel
        from faster_whisper.tokenizer import Tokenizer

        try:
            self._model = WhisperModel(str(self._folder), local_files_only=True, **self._loading)
            self._tokenizer = Tokenizer(
                self._model.hf_tokenizer,
                self._model.model.is_multilingual,
                task="transcribe",
                language=self._language,
            )
        except (RuntimeError, ValueError) as error:
            raise EngineError(
                f"faster-whisper can't load {self._folder} ({error}): fetch or make it again"
            ) from error
        self._prompt = [*self._tokenizer.sot_sequence, self._tokenizer.no_timestamps]

    def warm_up(self) -> None:
        """Decodes half a second of silence."""
        self._text(bytes(RATE_HZ))

    def run(self, request: Request, emit: Emit) -> None:
        """Recognises one utterance."""
        agreement = LocalAgreement()
        done: list[str] = []  # texts of parts that were too long to decode again and again
        pcm = bytearray()
        decoded_bytes = 0
        told = ""
        last = False
        while not last:
            for header, payload in [request.next_piece(), *request.waiting_pieces()]:
                pcm += payload
                last = last or bool(header.get("last"))
            long = len(pcm) >= _LONGEST_BYTES
            due = self._step_bytes and len(pcm) - decoded_bytes >= self._step_bytes
            if last or not (long or due):
                continue
            text = self._text(bytes(pcm))
            decoded_bytes = len(pcm)
            agreed = " ".join([*done, agreement.feed(text.split())]).strip()
            if self._step_bytes and agreed != told and not emit.cancelled:
                told = agreed
                emit.mark("stt", "partial", text=agreed)
                emit({"partial": agreed})
            if long:
                done.append(text)
                pcm.clear()
                decoded_bytes, agreement = 0, LocalAgreement()
        parts = [bytes(pcm[at : at + _LONGEST_BYTES]) for at in range(0, len(pcm), _LONGEST_BYTES)]
        final = " ".join(filter(None, [*done, *map(self._text, parts)]))
        if not emit.cancelled:
            emit.mark("stt", "final", text=final)
            emit({"final": final})

    def _text(self, pcm: bytes) -> str:
        """The text of int16 PCM of one window at most."""
        result = self.generate(self.encode(pcm), len(pcm) / 2 / RATE_HZ)
        if result.no_speech_prob > _NO_SPEECH and result.scores[0] < _UNSURE:
            return ""
        return str(self._tokenizer.decode(result.sequences_ids[0])).strip()

    def encode(self, pcm: bytes) -> Any:
        """The encoder's output for int16 PCM: one window."""
        import numpy as np
        from faster_whisper.audio import pad_or_trim

        audio = np.frombuffer(pcm, np.int16).astype(np.float32) / 32768
        features = self._model.feature_extractor(audio)  # (mels, frames)
        frames = _FULL_FRAMES
        if self._window == "short":
            frames = min(frames, math.ceil((features.shape[1] + _PAD_FRAMES) / 100) * 100)
        return self._model.encode(pad_or_trim(features, frames))

    def generate(self, encoded: Any, audio_s: float) -> Any:
        """The decoder's result for one window."""
        longest = _MOST_TOKENS
        if self._tokens_per_s:  # the library decodes half of max_length at most
            longest = min(longest, 2 * max(1, math.ceil(self._tokens_per_s * audio_s)))
        (result,) = self._model.model.generate(
            encoded,
            [self._prompt],
            beam_size=self._beam,
            max_length=max(longest, len(self._prompt) + 1),
            return_scores=True,
            return_no_speech_prob=True,
        )
        return result


def check_folder(folder: Path) -> None:
    """Reports what is missing before a library would look for it on the network.

    Raises:
        EngineError: the folder or one of its files is not there.
    """
    if not folder.is_dir():
        raise EngineError(f"the folder {folder} of a Whisper model is not there: fetch the model")
    missing = [name for name in FILES if not (folder / name).is_file()]
    if not list(folder.glob("vocabulary.*")):
        missing.append("vocabulary.json")
    if missing:
        raise EngineError(
            f"{folder} lacks {', '.join(missing)}: give a Whisper in CTranslate2's form, complete"
        )


def _arguments(options: SttOptions, model: Model) -> dict[str, Any]:
    return {
        "model": str(model.path),
        "language": options.language,
        "device": options.device,
        "compute": options.compute,
        "threads": options.threads,
        "beam": options.beam,
        "window": options.window,
        "partials": options.partials,
        "step_ms": options.step_ms,
        "tokens_per_s": options.forced_tokens_per_s if model.random else 0.0,
    }


ROW = EngineRow(
    stage="stt",
    name="faster-whisper",
    what="Whisper in CTranslate2: tiny, base, small, large-v3-turbo",
    licence="MIT",
    engine=WhisperEngine,
    arguments=_arguments,
    called="whisper {model}",
    reads=("model",),
    model="synthetic:tiny",
    environment="whisper",
    maker="pipelines.engines.synthetic.whisper:MAKER",
    devices=("cpu", "cuda"),
    capabilities=("partials by LocalAgreement-2", "short window", "int8"),
    measured=("tiny", "base", "small"),
)
