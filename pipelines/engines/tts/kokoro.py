"""Speech synthesis by Kokoro (kokoro-onnx): a batch of phonemes at a time, abortable.

Request ``speak`` with header ``text`` answers ``{}`` with 24 kHz int16 PCM in pieces of 100 ms; the
first has the header ``phones``, where the model reports them: (phone, start_ms, end_ms), for
visemes. The library's own reading of text includes espeak-ng (GPL-3.0-or-later): it is loaded only
in a child process, of an engine environment of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.engines.row import EngineRow, Model
from pipelines.engines.tts.abortable import AbortableSession, first_line, until_aborted
from pipelines.engines.tts.pcm_out import PcmOut
from pipelines.process.engine import Emit, EngineError, Request

if TYPE_CHECKING:
    from pipelines.engines.options import TtsOptions

RATE_HZ = 24000
_PIECE_BYTES = RATE_HZ // 10 * 2
VOICES = "voices*.bin"
"""The file of voices, beside the network."""
_LANGUAGES = {
    "a": "en-us", "b": "en-gb", "e": "es", "f": "fr-fr", "h": "hi", "i": "it", "j": "ja",
    "p": "pt-br", "z": "cmn",
}  # fmt: skip
"""First letter of a voice's name → its language, by espeak-ng's name."""


class KokoroEngine:
    """One voice."""

    def __init__(
        self,
        *,
        model: str,
        voice: str = "af_heart",
        threads: int = 1,
        length_scale: float = 0.0,
        alignments: bool = True,
        language: str = "",
    ) -> None:
        """Describes the voice.

        Args:
            model: Path of the network's ``.onnx`` file; `VOICES` lies beside it.
            voice: One of that file's.
            threads: Threads within an operation.
            length_scale: Slowness of the speech, 0.5–2; 0: as it was trained.
            alignments: True to report the phones' times, where the network gives them.
            language: Of the texts, by espeak-ng's name; empty: the voice's own.
        """
        self._path = Path(model)
        self._voice = voice
        self._threads = threads
        self._speed = 1 / length_scale if length_scale else 1.0
        self._alignments = alignments
        self._language = language or _LANGUAGES.get(voice[:1], "en-us")
        self._kokoro: Any = None
        self._session: AbortableSession | None = None

    def load(self) -> None:
        """Loads network and voices; nothing is ever fetched."""
        voices = voices_of(self._path)
        if not 0.5 <= self._speed <= 2.0:
            raise EngineError("Kokoro speaks at 0.5 to 2 times its speed: change length_scale")
        import onnxruntime
        from kokoro_onnx import Kokoro

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        try:
            session = onnxruntime.InferenceSession(
                str(self._path), sess_options=options, providers=["CPUExecutionProvider"]
            )
            self._kokoro = Kokoro.from_session(session, str(voices))
        except Exception as error:  # onnxruntime and numpy have exceptions of many kinds
            raise EngineError(
                f"Kokoro can't load {self._path} ({first_line(error)}): fetch the model again"
            ) from error
        known = self._kokoro.get_voices()
        if self._voice not in known:
            raise EngineError(
                f"{voices.name} has no voice {self._voice!r}; it has: {', '.join(known[:12])}"
            )
        self._kokoro.sess = self._session = AbortableSession(session)

    def warm_up(self) -> None:
        """Synthesises a word without output."""
        list(self._spoken("hello"))

    def run(self, request: Request, emit: Emit) -> None:
        """Speaks ``text``."""
        assert self._session is not None
        out = PcmOut(emit)
        with self._session.wanted_by(emit):
            for pcm, phones in until_aborted(self._spoken(str(request.header["text"])), emit):
                for at in range(0, len(pcm), _PIECE_BYTES):
                    if emit.cancelled:
                        return
                    first = at == 0 and phones
                    out.send(pcm[at : at + _PIECE_BYTES], {"phones": phones} if first else None)
        if not emit.cancelled:
            out.end()

    def _spoken(self, text: str) -> Iterator[tuple[bytes, list[tuple[str, float, float]]]]:
        """All of a text's audio, and its phones; empty for a text without any sound."""
        import numpy as np

        phonemes = self._kokoro.tokenizer.phonemize(text, self._language)
        known = self._kokoro.tokenizer.known(phonemes)
        if not any(c.isalpha() for c in known):  # a lone mark has a symbol and no sound
            return
        audio, _, timings = self._kokoro.create_timed(
            phonemes, self._voice, self._speed, self._language, is_phonemes=True
        )
        pcm = (np.clip(audio, -1.0, 1.0) * 32767).astype(np.int16).tobytes()
        told = timings if self._alignments else ()
        yield pcm, [(t.phoneme, 1000 * t.start, 1000 * t.end) for t in told]


def voices_of(model: Path) -> Path:
    """The file of voices beside a network.

    Raises:
        EngineError: it or the network is not there.
    """
    if not model.is_file():
        raise EngineError(f"Kokoro's network {model} is not there: fetch the model")
    found = sorted(model.parent.glob(VOICES))
    if not found:
        raise EngineError(
            f"Beside {model} there is no file of voices ({VOICES}): fetch the model, complete"
        )
    return found[0]


@dataclass(frozen=True, slots=True)
class Settings:
    """``settings`` of this engine."""

    language: str = ""
    """Language of the texts, by espeak-ng's name (``en-us``); default: the voice's own, so that a
    Japanese voice reads English as Japanese unless this says otherwise."""


def _arguments(options: TtsOptions, model: Model) -> dict[str, Any]:
    return {
        "model": str(model.path),
        "voice": options.voice or ROW.voice,
        "threads": options.threads,
        "length_scale": options.length_scale,
        "alignments": options.alignments,
        "language": options.settings.get("language", ""),
    }


ROW = EngineRow(
    stage="tts",
    name="kokoro",
    what="Kokoro 82M in onnxruntime",
    licence="MIT, espeak-ng within: GPL-3.0-or-later",
    engine=KokoroEngine,
    arguments=_arguments,
    settings=Settings,
    reads=("model",),
    model="synthetic:82m",
    voice="af_heart",
    environment="kokoro",
    maker="pipelines.engines.synthetic.kokoro:MAKER",
    rate_hz=lambda model: RATE_HZ,
    capabilities=("a text at a time", "phonemes for visemes", "aborts within a text"),
    tested="trained weights by hand; random weights through the real loader",
    measured=("82m",),
)
