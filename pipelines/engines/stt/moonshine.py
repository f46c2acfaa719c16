"""Speech recognition by Moonshine (moonshine-voice), with streaming partials.

One request is one utterance, as in `pipelines.engines.stt.pocketsphinx`. While it grows the library
transcribes it again every ``step_ms`` of audio (a streaming model: only the new audio), and the
words on which two transcripts agree are a partial; at the end it is transcribed once more.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.engines.row import EngineRow, Model
from pipelines.engines.stt.agreement import LocalAgreement
from pipelines.process.engine import Emit, EngineError, Request

if TYPE_CHECKING:
    from pipelines.engines.options import SttOptions

RATE_HZ = 16000
TOKENIZER = "tokenizer.bin"
WHOLE = ("encoder_model.ort", "decoder_model_merged.ort", TOKENIZER)
"""Files of tiny and base."""
STREAMING = ("encoder.ort", "adapter.ort", "cross_kv.ort", "decoder_kv.ort", TOKENIZER)
"""Files of the streaming models, beside the frontend's, which has one or two."""
_ARCHITECTURES = ("medium-streaming", "small-streaming", "base-streaming", "tiny-streaming")


class MoonshineEngine:
    """One Moonshine."""

    def __init__(
        self,
        *,
        model: str,
        partials: bool = True,
        step_ms: int = 500,
        tokens_per_s: float = 0.0,
    ) -> None:
        """Describes the recogniser.

        Args:
            model: Folder of the model's files.
            partials: True to transcribe while the utterance grows.
            step_ms: New audio that a partial transcript waits for.
            tokens_per_s: Tokens to say for each second of audio, for random weights, which never
                stop by themselves; 0: the model decides.
        """
        self._folder = Path(model)
        self._step_s = step_ms / 1000 if partials else 0.0
        self._tokens_per_s = tokens_per_s
        self._transcriber: Any = None

    def load(self) -> None:
        """Checks the folder, then loads it; nothing is ever fetched."""
        name = architecture_of(self._folder)
        from moonshine_voice import Transcriber, string_to_model_arch
        from moonshine_voice.errors import MoonshineError

        # The pipeline has a VAD of its own, and its decision counts.
        options: dict[str, Any] = {"vad_threshold": 0.0, "return_audio_data": False}
        if self._tokens_per_s:
            options["max_tokens_per_second"] = self._tokens_per_s
        try:
            self._transcriber = Transcriber(
                self._folder, string_to_model_arch(name), options=options
            )
        except MoonshineError as error:
            raise EngineError(
                f"Moonshine can't load {self._folder} as {name!r} ({error}): fetch the model again"
            ) from error

    def warm_up(self) -> None:
        """Transcribes half a second of hiss."""
        import numpy as np

        hiss = np.random.default_rng(0).normal(0, 0.05, RATE_HZ // 2).tolist()
        try:
            self._transcriber.transcribe_without_streaming(hiss, RATE_HZ)
        except Exception as error:  # MoonshineError; files of another size are detected here
            raise EngineError(
                f"{self._folder} does not work as {architecture_of(self._folder)!r} ({error}): its "
                "size is read off its folder's name (moonshine-base is a base, any other a tiny)"
            ) from error

    def run(self, request: Request, emit: Emit) -> None:
        """Recognises one utterance."""
        stream = self._transcriber.create_stream(update_interval=1e9)
        try:
            self._hear(stream, request, emit)
        finally:
            stream.close()

    def _hear(self, stream: Any, request: Request, emit: Emit) -> None:
        stream.start()
        agreement = LocalAgreement()
        told, new_s, last = "", 0.0, False
        while not last:
            pieces = [request.next_piece(), *request.waiting_pieces()]
            last = any(header.get("last") for header, _ in pieces)
            pcm = b"".join(payload for _, payload in pieces)
            if pcm:
                stream.add_audio(_floats(pcm), RATE_HZ)
                new_s += len(pcm) / 2 / RATE_HZ
            if last or not self._step_s or new_s < self._step_s:
                continue
            new_s = 0.0
            agreed = agreement.feed(_text(stream.update_transcription()).split())
            if agreed != told and not emit.cancelled:
                told = agreed
                emit.mark("stt", "partial", text=agreed)
                emit({"partial": agreed})
        final = _text(stream.stop())
        if not emit.cancelled:
            emit.mark("stt", "final", text=final)
            emit({"final": final})


def architecture_of(folder: Path) -> str:
    """The Moonshine architecture in a folder, by its files and its name.

    Raises:
        EngineError: it is not there, or lacks a file.
    """
    if not folder.is_dir():
        raise EngineError(f"The folder {folder} of a Moonshine model is not there: fetch the model")
    streaming = (folder / "streaming_config.json").is_file()
    files = STREAMING if streaming else WHOLE
    if missing := [name for name in files if not (folder / name).is_file()]:
        raise EngineError(f"{folder} lacks {', '.join(missing)}: give a Moonshine, complete")
    name = str(folder).lower().replace("_", "-")
    if streaming:
        return next((a for a in _ARCHITECTURES if a in name), "small-streaming")
    return "base" if "base" in folder.name.lower() else "tiny"


def _floats(pcm: bytes) -> list[float]:
    import numpy as np

    found: list[float] = (np.frombuffer(pcm, np.int16).astype(np.float32) / 32768).tolist()
    return found


def _text(transcript: Any) -> str:
    """The text of all lines of a transcript; None where the library failed at the last pass."""
    if transcript is None:
        raise EngineError("Moonshine could not transcribe: its own words are in the agent's log")
    return " ".join(line.text.strip() for line in transcript.lines if line.text.strip())


def _arguments(options: SttOptions, model: Model) -> dict[str, Any]:
    return {
        "model": str(model.path),
        "partials": options.partials,
        "step_ms": options.step_ms,
        "tokens_per_s": options.forced_tokens_per_s if model.random else 0.0,
    }


ROW = EngineRow(
    stage="stt",
    name="moonshine",
    what="Moonshine tiny and base, and its streaming models",
    licence="MIT",
    engine=MoonshineEngine,
    arguments=_arguments,
    reads=("model",),
    model="synthetic:tiny",
    environment="moonshine",
    maker="pipelines.engines.synthetic.moonshine:MAKER",
    capabilities=("partials by LocalAgreement-2",),
    untested="a streaming model was not loaded yet",
    measured=("tiny", "base"),
    own_threads=True,
)
