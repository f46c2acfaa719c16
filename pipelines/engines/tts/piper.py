"""Speech synthesis by Piper (piper-tts): a stretch at a time, abortable, with its phones.

Request ``speak`` with header ``text`` answers ``{}`` with PCM in pieces of 100 ms at most; the
first comes as soon as a tenth of a second is made (`pipelines.engines.tts.vits_halves`), and a
voice that can't be cut in two is heard a sentence at a time. The first piece of each sentence has
the header ``phones``, where the voice reports them: (phone, start_ms, end_ms),
from the request's first sample, for visemes. Piper is licensed under GPL-3.0-or-later: it is loaded
only in a child process, of an engine environment of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.engines.row import EngineRow, Model
from pipelines.engines.tts.abortable import AbortableSession, first_line, until_aborted
from pipelines.engines.tts.pcm_out import PcmOut
from pipelines.engines.tts.vits_halves import HalvedSession, cut
from pipelines.process.engine import Emit, EngineError, Request

if TYPE_CHECKING:
    from pipelines.engines.options import TtsOptions

_PIECES_PER_S = 10
_SENTENCE = "The quick brown fox jumps over the lazy dog."
"""Spoken to itself when a voice is loaded: most sounds of English."""


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
        self._session: AbortableSession | HalvedSession | None = None
        self._halves: HalvedSession | None = None
        self._config: Any = None

    def load(self) -> None:
        """Loads configuration and network; nothing is ever fetched."""
        table = read_config(self._path)
        import onnx
        from piper.config import PiperConfig, SynthesisConfig

        self._config = SynthesisConfig(speaker_id=self._speaker, length_scale=self._length_scale)
        try:
            model = onnx.load(str(self._path))
            if self._alignments:
                _add_alignments(model)
            self._take(model, PiperConfig.from_dict(table))
        except Exception as error:  # onnx and onnxruntime have exceptions of many kinds
            raise EngineError(
                f"Piper can't load {self._path} ({first_line(error)}): fetch the voice again"
            ) from error

    def _take(self, model: Any, config: Any) -> None:
        """Loads the network in two halves, or whole where they don't sound like it."""
        from piper import PiperVoice

        if halves := cut(model):
            front, back, latent = halves
            session = HalvedSession(
                self._started(front), self._started(back), latent, config.hop_length
            )
            self._voice = PiperVoice(session=session, config=config)
            list(self._voice.synthesize(_SENTENCE, self._config))
            if session.measure():
                self._session = self._halves = session
                return
        self._session = self._started(model.SerializeToString())
        self._voice = PiperVoice(session=self._session, config=config)

    def _started(self, network: bytes) -> AbortableSession:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        return AbortableSession(
            onnxruntime.InferenceSession(
                network, sess_options=options, providers=["CPUExecutionProvider"]
            )
        )

    def warm_up(self) -> None:
        """Synthesises a word without output."""
        for chunk in self._voice.synthesize("hello", self._config):
            list(self._pieces(chunk))

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
                phones = _phones(chunk, out.samples, rate_hz)
                for pcm in until_aborted(self._pieces(chunk), emit):
                    for at in range(0, len(pcm), size):
                        if emit.cancelled:
                            return
                        out.send(pcm[at : at + size], {"phones": phones} if phones else None)
                        phones = []
        if not emit.cancelled:
            out.end()

    def _pieces(self, chunk: Any) -> Iterator[bytes]:
        """The sound of a sentence; of a voice in two halves it is made now."""
        if self._halves is None:
            yield chunk.audio_int16_bytes
        else:
            yield from self._halves.pieces()


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


def _add_alignments(model: Any) -> None:
    """Gives the network one more output: the duration of each phoneme."""
    from piper.patch_voice_with_alignment import add_alignment_output

    with suppress(ValueError):  # it has the output already, or is of a kind without durations
        add_alignment_output(model)


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
    capabilities=(
        "the first tenth of a second at once",
        "phonemes for visemes",
        "aborts within a sentence",
    ),
    tested="trained weights by hand; random weights through the real loader",
    measured=("medium",),
)
