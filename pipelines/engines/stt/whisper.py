"""Speech recognition by Whisper (faster-whisper on CTranslate2), with streaming partials.

One request is one utterance, as in `pipelines.engines.stt.pocketsphinx`. While it grows it is
decoded again every ``step_ms`` of audio, and the words on which two decodings agree are a partial
transcript. Once the speaker has been quiet for ``settle_ms`` it is decoded as a whole: if nothing
more is said, that is the final transcript, and otherwise the end is decoded once more. A decoding
can't be interrupted, so the end may have to wait for a running one: with ``partials = false``
nothing is decoded before it.

The short window encodes what is there and two seconds of padding. It is decoded with timestamps,
and a doubtful result (`pipelines.engines.stt.reading`) a second time, with more padding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pipelines.engines.row import EngineRow, Model
from pipelines.engines.stt.agreement import LocalAgreement
from pipelines.engines.stt.quiet import Quiet
from pipelines.engines.stt.reading import NO_SPEECH, UNSURE, Reading, better, read, segments
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
_PAUSING_BYTES = 2 * RATE_HZ * 40 // 1000
_PAD_FRAMES = 200
_PAD_AGAIN_FRAMES = 400
_LEAST_TOKENS = 8
_TOKENS_PER_S = 7.0
"""Tokens of the fastest speech, with `_LEAST_TOKENS` for marks and timestamps."""


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
        settle_ms: int = 100,
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
            window: ``full`` encodes 30 s of padded audio, as Whisper was trained; ``short`` what
                is there and a little padding, many times as fast.
            partials: True to decode while the utterance grows.
            step_ms: New audio that a partial decoding waits for.
            settle_ms: Quiet after which the utterance is decoded, in case it is over; 0: never.
            tokens_per_s: Tokens to say for each second of audio, for random weights, which never
                stop by themselves; 0: the model decides.
        """
        self._folder = Path(model)
        self._language = language
        self._loading = {"device": device, "compute_type": compute, "cpu_threads": threads}
        self._beam = beam
        self._window = window
        self._step_bytes = 2 * (step_ms * RATE_HZ // 1000) if partials else 0
        self._settle_bytes = 2 * (settle_ms * RATE_HZ // 1000) if partials else 0
        self._tokens_per_s = tokens_per_s
        self._model: Any = None
        self._tokenizer: Any = None
        self._prompt: list[int] = []
        self._again = 0

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
        self._again = 0
        heard = _Utterance()
        last = False
        while not last:
            for header, payload in [request.next_piece(), *request.waiting_pieces()]:
                heard.feed(payload)
                last = last or bool(header.get("last"))
            if last or emit.cancelled:
                continue
            if heard.settled_after(self._settle_bytes):
                heard.take(self._text(heard.pcm), over=True)
            elif heard.grown_by(self._step_bytes) or len(heard.pcm) >= _LONGEST_BYTES:
                heard.take(self._text(heard.pcm, sure=False), over=False)
            if heard.has_news and self._step_bytes:
                emit.mark("stt", "partial", text=heard.partial)
                emit({"partial": heard.partial, "settled": heard.is_over})
                heard.has_news = False
        final = heard.final(self._settle_bytes, self._text)
        if not emit.cancelled:
            emit.mark("stt", "final", text=final)
            emit({"final": final, "again": self._again})

    def _text(self, pcm: bytes, *, sure: bool = True) -> str:
        """The text of int16 PCM of one window at most.

        Args:
            pcm: The audio.
            sure: Whether a doubtful text is decoded a second time.
        """
        if self._window == "full" or self._tokens_per_s:
            return self._plain(pcm)
        reading = self._read(pcm, _PAD_FRAMES)
        if sure and reading.doubtful:
            self._again += 1
            reading = better(reading, self._read(pcm, _PAD_AGAIN_FRAMES))
        return reading.text

    def _plain(self, pcm: bytes) -> str:
        """The text as Whisper was trained to find it: without timestamps, in any window."""
        result = self.generate(self.encode(pcm), len(pcm) / 2 / RATE_HZ)
        if result.no_speech_prob > NO_SPEECH and result.scores[0] < UNSURE:
            return ""
        return str(self._tokenizer.decode(result.sequences_ids[0])).strip()

    def _read(self, pcm: bytes, pad_frames: int) -> Reading:
        """The reading of a short window with timestamps."""
        audio_s = len(pcm) / 2 / RATE_HZ
        most = min(_MOST_TOKENS // 2, math.ceil(_LEAST_TOKENS + _TOKENS_PER_S * audio_s))
        result = self._decode(self.encode(pcm, pad_frames), self._prompt[:-1], 2 * most)
        tokens = result.sequences_ids[0]
        return read(
            segments(tokens, self._tokenizer.timestamp_begin),
            self._tokenizer.decode,
            audio_s=audio_s,
            ended=len(tokens) < most,
            score=result.scores[0],
            no_speech=result.no_speech_prob,
        )

    def encode(self, pcm: bytes, pad_frames: int = _PAD_FRAMES) -> Any:
        """The encoder's output for int16 PCM: one window."""
        import numpy as np
        from faster_whisper.audio import pad_or_trim

        audio = np.frombuffer(pcm, np.int16).astype(np.float32) / 32768
        features = self._model.feature_extractor(audio)  # (mels, frames)
        frames = _FULL_FRAMES
        if self._window == "short":  # an even number: the encoder halves it
            frames = min(frames, 2 * math.ceil((features.shape[1] + pad_frames) / 2))
        return self._model.encode(pad_or_trim(features, frames))

    def generate(self, encoded: Any, audio_s: float) -> Any:
        """The decoder's result for one window, without timestamps."""
        longest = _MOST_TOKENS
        if self._tokens_per_s:  # the library decodes half of max_length at most
            longest = min(longest, 2 * max(1, math.ceil(self._tokens_per_s * audio_s)))
        return self._decode(encoded, self._prompt, longest)

    def _decode(self, encoded: Any, prompt: list[int], max_length: int) -> Any:
        (result,) = self._model.model.generate(
            encoded,
            [prompt],
            beam_size=self._beam,
            max_length=max(max_length, len(prompt) + 1),
            return_scores=True,
            return_no_speech_prob=True,
        )
        return result


class _Utterance:
    """The audio of one request, and what was decoded of it so far."""

    def __init__(self) -> None:
        self._done: list[str] = []  # texts of parts too long to decode again and again
        self._audio = bytearray()
        self._agreement = LocalAgreement()
        self._quiet = Quiet()
        self._text = ""
        self._decoded_bytes = 0
        self.partial = ""
        """The words agreed on so far."""
        self.has_news = False
        """True if `partial` has changed."""
        self.is_over = False
        """True if nothing was said after these words so far."""

    @property
    def pcm(self) -> bytes:
        """The audio that is not done."""
        return bytes(self._audio)

    def feed(self, payload: bytes) -> None:
        """Takes more audio."""
        self._audio += payload
        self._quiet.feed(payload)

    def grown_by(self, step_bytes: int) -> bool:
        """Whether there is something new to decode for a partial transcript.

        Of a speaker who has just fallen quiet it is not: the whole is decoded in a moment.
        """
        new = len(self._audio) - self._decoded_bytes
        speaks = len(self._audio) - self._quiet.loud_until_bytes < _PAUSING_BYTES
        return bool(step_bytes) and new >= step_bytes and speaks

    def settled_after(self, settle_bytes: int) -> bool:
        """Whether the speaker is quiet, and the last words are not decoded yet."""
        loud = self._quiet.loud_until_bytes
        is_quiet = loud and len(self._audio) >= loud + settle_bytes
        return bool(settle_bytes and is_quiet) and not self._is_covered(settle_bytes)

    def take(self, text: str, *, over: bool) -> None:
        """Takes the decoding of all audio; ``over``: the speaker has fallen quiet."""
        self._text, self._decoded_bytes, self.is_over = text, len(self._audio), over
        words = text.split()
        agreed = self._agreement.settle(words) if over else self._agreement.feed(words)
        partial = " ".join([*self._done, agreed]).strip()
        self.has_news = self.has_news or partial != self.partial
        self.partial = partial
        if len(self._audio) >= _LONGEST_BYTES:
            self._done.append(text)
            self._audio.clear()
            self._decoded_bytes, self._text = 0, ""
            self._agreement, self._quiet = LocalAgreement(), Quiet()

    def final(self, settle_bytes: int, decode: Callable[[bytes], str]) -> str:
        """The whole text; what the speaker said last is not decoded again if it is known."""
        if settle_bytes and self._is_covered(settle_bytes):
            return " ".join(filter(None, [*self._done, self._text]))
        parts = range(0, len(self._audio), _LONGEST_BYTES)
        texts = (decode(bytes(self._audio[at : at + _LONGEST_BYTES])) for at in parts)
        return " ".join(filter(None, [*self._done, *texts]))

    def _is_covered(self, settle_bytes: int) -> bool:
        """Whether the last decoding heard all that was loud, and this much after it."""
        return 0 < self._quiet.loud_until_bytes + settle_bytes <= self._decoded_bytes


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
    tested="trained weights by hand; random weights through the real loader",
    measured=("tiny", "base", "small"),
)
