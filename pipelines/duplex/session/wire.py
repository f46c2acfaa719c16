"""The messages between a duplex model's process and its parent, frame by frame: both ends' side.

Request ``session`` is fed pieces and answers each but the last once:

======================================  ==============================================
piece                                   reply
======================================  ==============================================
``{"frame": t}`` + `PCM_BYTES` of PCM   `Reply` with the model's PCM, or none
``{"say": text}``                       ``{"said": text}``
``{"condition": text}``                 ``{"conditioned": text}``
``{"last": true}``                      none: the session ends when all is answered
======================================  ==============================================

Only numpy and the standard library: the child may run in an engine environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.duplex.session.model import FRAME_SAMPLES, Pcm
from pipelines.marks import EventName

SESSION = "session"
"""The engine's one word."""
PCM_BYTES = FRAME_SAMPLES * 4
"""Length of a frame's payload: (1920,) float32, little-endian."""
STAMPS: tuple[EventName, ...] = (
    "ready",
    "start",
    "encoded",
    "depth_start",
    "stepped",
    "decode_start",
    "done",
    "dropped",
)
"""Events of the marks' stage ``duplex`` that the child stamps, in the order of a frame's life."""
_FULL_SCALE = np.float32(32768)


@dataclass(frozen=True, slots=True)
class Reply:
    """The result of one frame."""

    frame: int
    """Index of the input frame in the session, from 0."""
    stamps: Mapping[EventName, int] = field(default_factory=dict)
    """Name of `STAMPS` → ns on the machine's monotonic clock; a missing event did not happen."""
    text: str = ""
    """The step's piece of text; empty for padding."""
    token: int | None = None
    """The step's text token; None where the model reports none."""
    codes: tuple[int, ...] = ()
    """The audio codes of the frame of speech, first codebook first; empty where there are none."""
    forced: bool = False
    """True if the text was forced by ``say``."""
    context_end: bool = False
    """The model's context was full before this frame: it fell silent, or began a new session."""
    pcm: bytes = b""
    """`PCM_BYTES` of the model's speech; empty without any."""
    synchronous: bool = True
    """True if this is the work on that frame. False, as for a server: it is whatever had arrived by
    then. So the j-th frame of speech counts as the answer to the j-th input frame: the latency is
    that of the stream, from when a frame's worth of audio goes in to when as much comes out. It
    includes the frames at its start for which the model says nothing. The stamps show no work."""
    unsaid_ms: float | None = None
    """See `pipelines.duplex.session.model.Step`."""

    def header(self) -> dict[str, Any]:
        """All but the PCM, as JSON can carry it."""
        header: dict[str, Any] = {"frame": self.frame}
        for event, t_ns in self.stamps.items():
            header[event] = t_ns
        if self.text:
            header["text"] = self.text
        if self.token is not None:
            header["token"] = self.token
        if self.codes:
            header["codes"] = self.codes
        if self.forced:
            header["forced"] = True
        if self.unsaid_ms is not None:
            header["unsaid_ms"] = self.unsaid_ms
        if self.context_end:
            header["context_end"] = True
        if not self.synchronous:
            header["synchronous"] = False
        return header

    @staticmethod
    def read(header: Mapping[str, Any], payload: bytes) -> Reply:
        """The inverse of `to_header`.

        Raises:
            ValueError: it is not a reply; the text says what is wrong with it.
        """
        frame = header.get("frame")
        if not isinstance(frame, int):
            raise ValueError(f"a reply names no frame: {dict(header)!r:.80}")
        if len(payload) not in (0, PCM_BYTES):
            raise ValueError(f"a frame of {len(payload)} bytes came instead of {PCM_BYTES}")
        return Reply(
            frame=frame,
            stamps={name: header[name] for name in STAMPS if name in header},
            text=str(header.get("text", "")),
            token=header.get("token"),
            codes=tuple(header.get("codes", ())),
            forced=bool(header.get("forced")),
            unsaid_ms=header.get("unsaid_ms"),
            context_end=bool(header.get("context_end")),
            pcm=payload,
            synchronous=bool(header.get("synchronous", True)),
        )


def pcm_to_bytes(pcm: npt.NDArray[Any]) -> bytes:
    """A frame's payload.

    Raises:
        ValueError: it has not (1920,) samples.
    """
    if pcm.shape != (FRAME_SAMPLES,):
        raise ValueError(f"a frame of shape {pcm.shape} came instead of ({FRAME_SAMPLES},)")
    return np.ascontiguousarray(pcm, dtype="<f4").tobytes()


def pcm_of_bytes(payload: bytes) -> Pcm:
    """The frame of a payload, (1920,) float32; read-only."""
    return np.frombuffer(payload, dtype="<f4")


def int16_of_bytes(payload: bytes) -> bytes:
    """A frame's payload as int16 PCM, clipped at full scale.

    Raises:
        ValueError: it holds what is not a number.
    """
    pcm = pcm_of_bytes(payload)
    peak = float(np.abs(pcm).max())
    if not peak < np.inf:  # NaN is not, either
        raise ValueError("a frame holds NaN or infinity")
    scaled = np.rint(pcm * _FULL_SCALE)
    if peak >= 1.0 - 1.0 / 32768:
        scaled = np.clip(scaled, -32768, 32767)
    rounded: npt.NDArray[np.int16] = scaled.astype("<i2")
    return rounded.tobytes()
