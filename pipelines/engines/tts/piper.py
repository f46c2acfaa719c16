"""Speech synthesis by Piper (piper-tts): a sentence at a time, abortable, with its phones.

Request ``speak`` with header ``text`` answers ``{}`` with PCM in pieces of 100 ms. The first piece
of each sentence has the header ``phones``, where the voice reports them: (phone, start_ms, end_ms),
from the request's first sample, for visemes. Piper is licensed under GPL-3.0-or-later: it is loaded
only in a child process, of an engine environment of its own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.engines.row import EngineRow, Model
from pipelines.engines.tts.abortable import AbortableSession, first_line, until_aborted
from pipelines.engines.tts.pcm_out import PcmOut
from pipelines.process.engine import Emit, EngineError, Request

if TYPE_CHECKING:
    from pipelines.engines.options import TtsOptions

_PIECES_PER_S = 10


class PiperEngine:
    """One voice."""

    def __init__(
        self,
        *,
        model: str,
        threads: int = 1,
        speaker: int = 0,
        length_scale: float = 0.0,
        alignments: bool = True,
    ) -> None:
        """Describes the voice.

        Args:
            model: Path of its ``.onnx`` file; ``.onnx.json`` stands beside it.
            threads: Threads within an operation; a small voice is slowed down by more than one.
            speaker: Number of the speaker, in a voice with several.
            length_scale: Slowness of the speech; 0: as its configuration says.
            alignments: True to ask the voice for the phones' times.
        """
        self._path = Path(model)
        self._threads = threads
        self._speaker = speaker
        self._length_scale = length_scale or None
        self._alignments = alignments
        self._voice: Any = None
        self._session: AbortableSession | None = None
        self._config: Any = None

    def load(self) -> None:
        """Loads configuration and network; nothing is ever fetched."""
        table = read_config(self._path)
        import onnxruntime
        from piper import PiperVoice
        from piper.config import PiperConfig, SynthesisConfig

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        try:
            network = _with_alignments(self._path) if self._alignments else str(self._path)
            session = onnxruntime.InferenceSession(
                network, sess_options=options, providers=["CPUExecutionProvider"]
            )
            config = PiperConfig.from_dict(table)
        except Exception as error:  # onnx and onnxruntime have exceptions of many kinds
            raise EngineError(
                f"Piper can't load {self._path} ({first_line(error)}): fetch the voice again"
            ) from error
        self._session = AbortableSession(session)
        self._voice = PiperVoice(session=self._session, config=config)
        self._config = SynthesisConfig(speaker_id=self._speaker, length_scale=self._length_scale)

    def warm_up(self) -> None:
        """Synthesises a word without output."""
        list(self._voice.synthesize("hello", self._config))

    def run(self, request: Request, emit: Emit) -> None:
        """Speaks ``text``."""
        assert self._session is not None
        out = PcmOut(emit)
        rate_hz = int(self._voice.config.sample_rate)
        size = 2 * (rate_hz // _PIECES_PER_S)
        with self._session.wanted_by(emit):
            chunks = self._voice.synthesize(
                str(request.header["text"]), self._config, include_alignments=self._alignments
            )
            for chunk in until_aborted(chunks, emit):
                pcm = chunk.audio_int16_bytes
                phones = _phones(chunk, out.samples, rate_hz)
                for at in range(0, len(pcm), size):
                    if emit.cancelled:
                        return
                    first = at == 0 and phones
                    out.send(pcm[at : at + size], {"phones": phones} if first else None)
        if not emit.cancelled:
            out.end()


def read_config(model: Path) -> dict[str, Any]:
    """The voice's configuration.

    Raises:
        EngineError: it or the voice is missing, or no JSON.
    """
    path = model.with_name(model.name + ".json")
    for needed in (model, path):
        if not needed.is_file():
            raise EngineError(f"the voice's file {needed} is not there: fetch the voice")
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        int(table["audio"]["sample_rate"])
    except (ValueError, KeyError, TypeError) as error:
        raise EngineError(f"{path} is no voice's configuration: fetch the voice again") from error
    return dict(table)


def _with_alignments(path: Path) -> Any:
    """The network with one more output: the duration of each phoneme."""
    import onnx
    from piper.patch_voice_with_alignment import add_alignment_output

    model = onnx.load(str(path))
    try:
        add_alignment_output(model)
    except ValueError:
        return str(path)  # it has the output already, or is of a kind without durations
    return model.SerializeToString()


def _phones(chunk: Any, at: int, rate_hz: int) -> list[tuple[str, float, float]]:
    """(phone, start_ms, end_ms) of a sentence that begins at sample ``at``."""
    found: list[tuple[str, float, float]] = []
    for alignment in chunk.phoneme_alignments or ():
        end = at + int(alignment.num_samples)
        found.append((alignment.phoneme, at * 1000 / rate_hz, end * 1000 / rate_hz))
        at = end
    return found


def _arguments(options: TtsOptions, model: Model) -> dict[str, Any]:
    return {
        "model": str(model.path),
        "threads": options.threads,
        "speaker": options.speaker,
        "length_scale": options.length_scale,
        "alignments": options.alignments,
    }


ROW = EngineRow(
    stage="tts",
    name="piper",
    what="Piper's voices",
    licence="GPL-3.0-or-later",
    engine=PiperEngine,
    arguments=_arguments,
    reads=("model",),
    model="synthetic:medium",
    environment="piper",
    maker="pipelines.engines.synthetic.piper:MAKER",
    rate_hz=lambda model: int(read_config(model.path)["audio"]["sample_rate"]),
    capabilities=("a sentence at a time", "phonemes for visemes", "aborts within a sentence"),
    measured=("medium",),
)
