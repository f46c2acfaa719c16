"""A second source beside the microphone: system audio, another microphone, or a WAV file.

The agent does not hear it. It is kept with the conversation, on the same clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipelines.clock import NS_PER_S
from pipelines.server.devices.card import DeviceError, Floats
from pipelines.server.session.events import AudioIn
from pipelines.server.session.log import Conversation, SessionLog, Tape


@dataclass(slots=True)
class SecondTrack:
    """What the second source said."""

    rate_hz: int
    _taken: list[AudioIn] = field(default_factory=list)

    def take(self, pcm: Floats, end_ns: int) -> None:
        """Takes a block, (n,), and when its last sample was taken."""
        self._taken.append(AudioIn(len(self._taken), end_ns, to_int16(pcm)))

    def laid(self, t0_ns: int, rate_hz: int, samples: int) -> npt.NDArray[np.int16]:
        """(samples,) at ``rate_hz``, the first at ``t0_ns``."""
        tape = Tape(self.rate_hz, rate_hz, t0_ns)
        for chunk in self._taken:
            tape.hear_user(chunk)
        found = tape.stereo()[:samples, 0]
        return np.pad(found, (0, samples - len(found)))


def of_file(path: Path, t0_ns: int) -> SecondTrack:
    """A file's first channel, begun at ``t0_ns``.

    Raises:
        DeviceError: it can't be read.
    """
    import soundfile

    try:
        pcm, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        why = str(getattr(error, "error_string", None) or error).rstrip(".")
        raise DeviceError(f"--second {path}: can't be read as audio: {why}.") from None
    track = SecondTrack(int(rate_hz))
    track.take(pcm[:, 0], t0_ns + len(pcm) * NS_PER_S // int(rate_hz))
    return track


@dataclass(slots=True)
class WithSecond:
    """Keeps conversations together with their second source; a `SessionLog` around another."""

    log: SessionLog
    track: SecondTrack | None = None
    keeps: bool = True

    def keep(self, conversation: Conversation) -> None:
        """Writes one that is over.

        Raises:
            LabError: it can't be written; one sentence.
        """
        if self.track is not None:
            samples = len(conversation.stereo)
            second = self.track.laid(conversation.t0_ns, conversation.rate_hz, samples)
            conversation = replace(conversation, second=second)
        self.log.keep(conversation)


def to_int16(pcm: Floats) -> bytes:
    """(n,) floats in ±1 as int16."""
    return np.clip(np.rint(pcm * 32_768), -32_768, 32_767).astype("<i2").tobytes()
