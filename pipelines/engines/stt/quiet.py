"""How long the speaker has been quiet, by the energy of 20 ms of audio at a time.

A recogniser that takes a moment for each decoding begins its last one as soon as the speaker falls
quiet; when the end of the turn is decided, a quarter of a second later, the text is there. Noise
near the loudness of speech only means that nothing is begun early.
"""

from __future__ import annotations

_FRAME = 320  # samples: 20 ms at 16 kHz
_BELOW_LOUDEST = 0.03
"""Root mean square of a quiet frame over that of the loudest one: −30 dB."""
_FLOOR = 58.0
"""Root mean square that is quiet in any case: −55 dBFS of int16."""


class Quiet:
    """The quiet at the end of one utterance."""

    def __init__(self) -> None:
        self._rest = b""
        self._loudest = 0.0
        self._frames = 0
        self._loud_until = 0  # frames

    def feed(self, pcm: bytes) -> None:
        """Takes more int16 PCM, 16 kHz."""
        import numpy as np

        pcm = self._rest + pcm
        whole = len(pcm) // (2 * _FRAME)
        self._rest = pcm[whole * 2 * _FRAME :]
        audio = np.frombuffer(pcm, np.int16, whole * _FRAME).reshape(whole, _FRAME)
        for rms in np.sqrt((audio.astype(np.float64) ** 2).mean(axis=1)):
            self._frames += 1
            self._loudest = max(self._loudest, float(rms))
            if rms > max(_FLOOR, _BELOW_LOUDEST * self._loudest):
                self._loud_until = self._frames

    @property
    def loud_until_bytes(self) -> int:
        """Number of bytes up to the end of the last frame that was not quiet; 0: none was."""
        return self._loud_until * 2 * _FRAME
