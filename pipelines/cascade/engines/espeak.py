"""Speech synthesis by espeak-ng through ctypes: 22,050 Hz int16 PCM in pieces, abortable.

Request ``speak`` with header ``text`` answers ``{}`` with PCM as fast as it is made (hundreds of
times faster than it is heard): 20 ms first, then pieces of 100 ms, which cost the pipeline's loop
less. espeak-ng is licensed under GPL-3.0-or-later: this module, and so the library, is loaded only
in a child process.
"""

from __future__ import annotations

import ctypes
from typing import Any

from pipelines.cascade.engines.pcm_out import PcmOut
from pipelines.engine import Emit, EngineError, Request

RATE_HZ = 22050
FIRST_PIECE_SAMPLES = RATE_HZ // 50  # 20 ms
PIECE_SAMPLES = RATE_HZ // 10

_SYNCHRONOUS = 2
_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_POS_CHARACTER = 1
_PARAMETER_RATE = 1
_OK = 0
_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class EspeakEngine:
    """One voice of espeak-ng."""

    def __init__(self, *, voice: str = "en-us", rate_wpm: int = 175) -> None:
        """Describes the voice: an espeak-ng voice name, and its speed in words per minute."""
        self._voice = voice
        self._rate_wpm = rate_wpm
        self._library: Any = None
        self._callback = _Callback(self._take)  # kept: the library holds only a pointer
        self._emit: Emit | None = None
        self._out: PcmOut | None = None
        self._held = bytearray()

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
        rate_hz = self._library.espeak_Initialize(_SYNCHRONOUS, 20, data, _DONT_EXIT)
        if rate_hz != RATE_HZ:
            raise EngineError(f"espeak-ng gave a rate of {rate_hz} instead of {RATE_HZ} Hz")
        self._library.espeak_SetSynthCallback(self._callback)
        if self._library.espeak_SetVoiceByName(self._voice.encode()) != _OK:
            raise EngineError(
                f"espeak-ng has no voice {self._voice!r}: 'espeak-ng --voices' lists them"
            )
        self._library.espeak_SetParameter(_PARAMETER_RATE, self._rate_wpm, 0)

    def warm_up(self) -> None:
        """Says a word to nobody."""
        self._synthesise("hello")

    def run(self, request: Request, emit: Emit) -> None:
        """Speaks ``text``."""
        self._emit, self._out = emit, PcmOut(emit)
        self._held.clear()
        try:
            self._synthesise(str(request.header["text"]))
            if emit.cancelled:
                return
            if self._held:
                self._out.send(bytes(self._held))
            self._out.end()
        finally:
            self._emit = self._out = None

    def _synthesise(self, text: str) -> None:
        data = text.encode() + b"\0"
        # Neither SSML (0x10) nor [[phonemes]] (0x100): the text is read as it stands.
        status = self._library.espeak_Synth(
            data, ctypes.c_size_t(len(data)), 0, _POS_CHARACTER, 0, _CHARS_UTF8, None, None
        )
        if status != _OK:
            raise EngineError(f"espeak-ng could not speak (status {status})")

    def _take(self, samples: Any, count: int, _events: Any) -> int:
        """Called by the library with new samples; a return value of 1 makes it stop."""
        emit, out = self._emit, self._out
        if emit is None or out is None:
            return 0
        if emit.cancelled:
            return 1
        if count > 0:
            self._held += ctypes.string_at(samples, count * 2)
        while len(self._held) >= (size := _piece_bytes(out)):
            out.send(bytes(self._held[:size]))
            del self._held[:size]
        return 0


def _piece_bytes(out: PcmOut) -> int:
    return 2 * (PIECE_SAMPLES if out.samples else FIRST_PIECE_SAMPLES)
