"""Speech from espeak-ng through its library, with the times of its phones and words.

The library is that of the package espeakng-loader, as in `pipelines.engines.tts.espeak`; here
also pitch is set, and words are timed. Its phones are given the names that flite uses. The library
remembers things from one sentence to the next, so each is spoken by one that has just been loaded,
with its seed set: the same voice always says the same words the same way.
"""

from __future__ import annotations

import _ctypes
import ctypes
import re
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pipelines.engines.tts.espeak_api import Callback

RATE_HZ = 22050
WORDS_PER_MINUTE, PITCH = 175, 50
"""As it speaks by nature."""
_WORD, _END, _PHONE = 1, 5, 7
_STRESS = re.compile("[ˈˌːˑ̩͡‍]")
_NAMES = {
    "p": "p", "b": "b", "t": "t", "d": "d", "k": "k", "ɡ": "g", "g": "g", "f": "f", "v": "v",
    "θ": "th", "ð": "dh", "s": "s", "z": "z", "ʃ": "sh", "ʒ": "zh", "h": "hh", "m": "m", "n": "n",
    "ŋ": "ng", "l": "l", "ɫ": "l", "ɹ": "r", "r": "r", "w": "w", "ʍ": "w", "j": "y", "tʃ": "ch",
    "dʒ": "jh", "ɾ": "t", "ʔ": "t", "x": "k", "ɪ": "ih", "ᵻ": "ih", "i": "iy", "e": "eh",
    "ɛ": "eh", "æ": "ae", "a": "ae", "ʌ": "ah", "ə": "ax", "ɐ": "ax", "əl": "l", "ɚ": "er",
    "ɜ": "er", "ɑ": "aa", "ɒ": "aa", "ɔ": "ao", "o": "ao", "ʊ": "uh", "u": "uw", "ʉ": "uw",
    "eɪ": "ey", "aɪ": "ay", "aʊ": "aw", "oʊ": "ow", "əʊ": "ow", "ɔɪ": "oy", "aɪə": "ay",
    "aɪɚ": "ay", "ɪɹ": "ih", "iɹ": "iy", "iə": "ih", "ɪə": "ih", "ɛɹ": "eh", "eə": "eh",
    "ʊɹ": "uh", "ʊə": "uh", "ɑɹ": "aa", "ɔɹ": "ao", "oɹ": "ao", "aɹ": "aa",
}  # fmt: skip


class Espeak:
    """The library, loaded for one sentence."""

    def __enter__(self) -> Self:
        import espeakng_loader

        self._library: Any = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        if self._library.espeak_Initialize(2, 0, data, 0x8000 | 1 | 2) != RATE_HZ:
            raise RuntimeError(f"espeak-ng does not give {RATE_HZ} Hz")
        # Flutter and breath are random: its own numbers, which start with the time, and C's.
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(1))
        ctypes.CDLL(None).srand(1)
        self._callback = Callback(self._take)  # kept: the library holds only a pointer
        self._library.espeak_SetSynthCallback(self._callback)
        self._pcm = bytearray()
        self._events: list[tuple[int, int, int, str]] = []
        return self

    def __exit__(self, *_: object) -> None:
        self._library.espeak_Terminate()
        _ctypes.dlclose(self._library._handle)

    def speak(
        self, voice: str, text: str, tempo: float, pitch: float
    ) -> tuple[NDArray[np.int16], list[tuple[str, int, int]], list[tuple[int, int]]]:
        """Speaks a text of plain words.

        Returns:
            (n,) int16 at `RATE_HZ`; phones (flite's name or "", start, end) and words
            (index of the first character, start), in samples.
        """
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice!r}")
        self._library.espeak_SetParameter(1, round(WORDS_PER_MINUTE * tempo), 0)
        self._library.espeak_SetParameter(3, min(99, max(0, round(PITCH * pitch))), 0)
        data = text.encode() + b"\0"
        done = self._library.espeak_Synth(data, ctypes.c_size_t(len(data)), 0, 1, 0, 1, None, None)
        if done != 0:
            raise RuntimeError(f"espeak-ng could not speak (status {done})")
        pcm = np.frombuffer(bytes(self._pcm), dtype=np.int16)
        starts = [(char - 1, at) for kind, at, char, _ in self._events if kind == _WORD]
        marks = [(at, name) for kind, at, _, name in self._events if kind in (_PHONE, _END)]
        phones = []
        for (start, name), end in zip(marks, [at for at, _ in marks[1:]] + [pcm.size], strict=True):
            if end > start:
                phones.append((phone_name(name), start, end))
        return pcm, phones, starts

    def _take(self, samples: Any, count: int, events: Any) -> int:
        if count > 0:
            self._pcm += ctypes.string_at(samples, count * 2)
        i = 0
        while events and (event := events[i]).type != 0:
            name = bytes(event.id.string).decode("utf-8", "ignore") if event.type == _PHONE else ""
            at = event.audio_position * RATE_HZ // 1000
            self._events.append((event.type, at, event.text_position, name))
            i += 1
        return 0


def phone_name(ipa: str) -> str:
    """Flite's name of a phone that espeak-ng writes in IPA; empty for a pause or one unknown."""
    return _NAMES.get(_STRESS.sub("", ipa), "")
