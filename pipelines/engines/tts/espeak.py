"""Speech synthesis by espeak-ng through ctypes: 22,050 Hz int16 PCM in pieces, abortable.

Request ``speak`` with header ``text`` answers ``{}`` with PCM as fast as it is made (hundreds of
times faster than it is heard): 20 ms first, then pieces of 100 ms, which cost the pipeline's loop
less. A reply's header holds ``phones`` where some became known: ``[[IPA, start_ms, end_ms], …]``,
ms from the request's first sample. espeak-ng is licensed under GPL-3.0-or-later: this module, and
so the library, is loaded only in a child process.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, ClassVar

from pipelines.engines.row import EngineRow, Model, in_package
from pipelines.engines.tts.espeak_api import Callback
from pipelines.engines.tts.pcm_out import PcmOut
from pipelines.process.engine import Emit, EngineError, Request

if TYPE_CHECKING:
    from pipelines.engines.options import TtsOptions

RATE_HZ = 22050
FIRST_PIECE_SAMPLES = RATE_HZ // 50  # 20 ms
PIECE_SAMPLES = RATE_HZ // 10

_SYNCHRONOUS = 2
_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_POS_CHARACTER = 1
_PARAMETER_RATE = 1
_OK = 0
_PHONEMES_AS_IPA = 1 | 2
_EVENT_END, _EVENT_PHONEME = 0, 7


class EspeakEngine:
    """One voice of espeak-ng.

    The library has one voice and one callback a process: they are those of the engine that spoke
    last, so an engine that speaks after another sets its own again.
    """

    _set: ClassVar[EspeakEngine | None] = None
    """The engine whose voice and callback the library has."""

    def __init__(self, *, voice: str = "en-us", rate_wpm: int = 175) -> None:
        """Describes the voice: an espeak-ng voice name, and its speed in words per minute."""
        self._voice = voice
        self._rate_wpm = rate_wpm
        self._library: Any = None
        self._callback = Callback(self._take)  # kept: the library holds only a pointer
        self._emit: Emit | None = None
        self._out: PcmOut | None = None
        self._held = bytearray()
        self._phone: tuple[str, int] | None = None
        self._phones: list[tuple[str, int, int]] = []

    def load(self) -> None:
        """Loads the shared library and its data, and chooses the voice."""
        import espeakng_loader

        try:
            self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        except OSError as error:
            raise EngineError(
                f"espeak-ng's library can't be loaded ({error}): reinstall espeakng-loader"
            ) from error
        data = espeakng_loader.get_data_path().encode()
        rate_hz = self._library.espeak_Initialize(
            _SYNCHRONOUS, 20, data, _DONT_EXIT | _PHONEMES_AS_IPA
        )
        if rate_hz != RATE_HZ:
            raise EngineError(f"espeak-ng gave a rate of {rate_hz} instead of {RATE_HZ} Hz")
        self._set_own()

    def _set_own(self) -> None:
        EspeakEngine._set = self
        self._library.espeak_SetSynthCallback(self._callback)
        if self._library.espeak_SetVoiceByName(self._voice.encode()) != _OK:
            raise EngineError(
                f"espeak-ng has no voice {self._voice!r}: 'espeak-ng --voices' lists them"
            )
        self._library.espeak_SetParameter(_PARAMETER_RATE, self._rate_wpm, 0)

    def warm_up(self) -> None:
        """Synthesises a word without output."""
        self._synthesise("hello")

    def run(self, request: Request, emit: Emit) -> None:
        """Speaks ``text``."""
        self._emit, self._out = emit, PcmOut(emit)
        self._held.clear()
        self._phone, self._phones = None, []
        try:
            self._synthesise(str(request.header["text"]))
            if emit.cancelled:
                return
            held_samples = len(self._held) // 2
            self._next_phone("", (self._out.samples + held_samples) * 1000 // RATE_HZ)
            if self._held or self._phones:
                self._send(self._out, len(self._held))
            self._out.end()
        finally:
            self._emit = self._out = None

    def _synthesise(self, text: str) -> None:
        if EspeakEngine._set is not self:
            self._set_own()
        data = text.encode() + b"\0"
        # Neither SSML (0x10) nor [[phonemes]] (0x100): the text is read as it stands.
        status = self._library.espeak_Synth(
            data, ctypes.c_size_t(len(data)), 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None
        )
        if status != _OK:
            raise EngineError(f"espeak-ng could not speak (status {status})")

    def _take(self, samples: Any, count: int, events: Any) -> int:
        """Called by the library with new samples; a return value of 1 makes it stop."""
        emit, out = self._emit, self._out
        if emit is None or out is None:
            return 0
        if emit.cancelled:
            return 1
        if count > 0:
            self._held += ctypes.string_at(samples, count * 2)
        self._note_phones(events)
        while len(self._held) >= (size := _piece_bytes(out)):
            self._send(out, size)
        return 0

    def _send(self, out: PcmOut, size: int) -> None:
        phones, self._phones = self._phones, []
        out.send(bytes(self._held[:size]), {"phones": phones} if phones else None)
        del self._held[:size]

    def _note_phones(self, events: Any) -> None:
        """Reads the library's events, a list that ends with one of type 0."""
        i = 0
        while events and (event := events[i]).type != _EVENT_END:
            if event.type == _EVENT_PHONEME:
                name = bytes(event.id.string).decode("utf-8", "ignore")
                self._next_phone(name, event.audio_position)
            i += 1

    def _next_phone(self, name: str, start_ms: int) -> None:
        """A phone begins, so the last one ends."""
        if self._phone is not None and start_ms > self._phone[1]:
            self._phones.append((*self._phone, start_ms))
        self._phone = (name, start_ms)


def _piece_bytes(out: PcmOut) -> int:
    return 2 * (PIECE_SAMPLES if out.samples else FIRST_PIECE_SAMPLES)


def _arguments(options: TtsOptions, model: Model) -> dict[str, Any]:
    return {"voice": options.voice or ROW.voice, "rate_wpm": options.rate_wpm}


ROW = EngineRow(
    stage="tts",
    name="espeak",
    what="espeak-ng",
    licence="GPL-3.0-or-later",
    engine=EspeakEngine,
    arguments=_arguments,
    called="espeak-ng",
    voice="en-us",
    files=lambda options: [in_package("espeak-ng", "espeakng-loader")],
    rate_hz=lambda model: RATE_HZ,
    capabilities=("streaming", "aborts within a piece"),
    tested="trained weights",
)
