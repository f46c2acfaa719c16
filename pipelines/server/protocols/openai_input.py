"""The input buffer of OpenAI's Realtime protocol: the user's audio, heard at once or held back.

Where the client ends turns itself (``turn_detection: null``), audio is held back until it asks for
an answer, so that the preset's own detector takes no pause of the user's for the turn's end.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pipelines.audio.levels import as_floats, as_int16
from pipelines.audio.stream_resample import StreamResampler
from pipelines.server.protocols.commands import Pcm
from pipelines.server.protocols.openai_settings import EventError
from pipelines.wires.messages import base64_bytes
from pipelines.wires.openai_realtime import RATES_HZ, AudioType, decoded

LEAST_COMMIT_MS = 100
"""Audio that a commit needs, as at OpenAI."""
MOST_HELD_S = 600
"""Audio that is held back at most."""


@dataclass(slots=True)
class InputBuffer:
    """The user's audio of one session."""

    rate_hz: int
    """Rate of the audio that the conversation takes."""
    samples: int = 0
    """Samples at that rate that were appended in all."""
    _open: list[Pcm] = field(default_factory=list)
    """Held back, not committed yet."""
    _committed: list[Pcm] = field(default_factory=list)
    """Held back, committed."""
    _rate: StreamResampler | None = None

    def decode(self, data: object, audio: AudioType) -> Pcm:
        """(n,) samples at `rate_hz` of base64 in the session's format.

        Raises:
            WireError: it is none.
        """
        pcm = decoded(base64_bytes(data, "audio"), audio)
        if RATES_HZ[audio] == self.rate_hz:
            return pcm
        if self._rate is None:
            self._rate = StreamResampler(RATES_HZ[audio], self.rate_hz)
        out = self._rate.feed(as_floats(pcm))
        return as_int16(out)

    def position_ms(self, ago_ms: float) -> int:
        """Place in the audio of the session, a time before the newest sample, ms."""
        return max(0, round(self.samples * 1000 / self.rate_hz - ago_ms))

    def hold(self, pcm: Pcm) -> None:
        """Holds samples back.

        Raises:
            EventError: too much is held back already.
        """
        self.check_room(len(pcm))
        self._open.append(pcm)

    def check_room(self, samples: int) -> None:
        """Checks that so many samples more can be held back.

        Raises:
            EventError: they can't.
        """
        held = sum(map(len, self._open)) + sum(map(len, self._committed))
        if held + samples > MOST_HELD_S * self.rate_hz:
            raise EventError("buffer_full", f"{MOST_HELD_S} s of audio are held back at most")

    def commit(self) -> float:
        """Commits what is held back; returns its length, ms.

        Raises:
            EventError: it is too short.
        """
        held_ms = sum(map(len, self._open)) * 1000 / self.rate_hz
        if held_ms < LEAST_COMMIT_MS:
            raise EventError(
                "input_audio_buffer_commit_empty",
                f"a commit needs {LEAST_COMMIT_MS} ms of audio at least: the buffer holds "
                f"{held_ms:.2f} ms",
            )
        self._committed += self._open
        self._open = []
        return held_ms

    def put_committed(self, pieces: list[Pcm]) -> None:
        """Adds audio of an item that the client made."""
        self._committed += pieces

    def clear(self) -> None:
        """Forgets what was not committed."""
        self._open = []

    def take(self, also_open: bool = False) -> Pcm:
        """(n,) samples that were committed; with ``also_open``, all that is held back."""
        pieces, self._committed = self._committed, []
        if also_open:
            pieces, self._open = [*pieces, *self._open], []
        return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)
