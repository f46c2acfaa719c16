"""The protobuf messages of Pipecat's WebSocket transports, without Pipecat.

Source: ``frames.proto`` of pipecat-ai 1.14.0 (package ``pipecat``): a `Frame` holds one of text,
audio, transcription, message (a JSON text) and interruption.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from pipelines.wires.error import WireError
from pipelines.wires.messages import samples

_FIELDS: dict[str, tuple[tuple[str, int, str], ...]] = {
    "TextFrame": (("id", 1, "uint64"), ("name", 2, "string"), ("text", 3, "string")),
    "AudioRawFrame": (
        ("id", 1, "uint64"),
        ("name", 2, "string"),
        ("audio", 3, "bytes"),
        ("sample_rate", 4, "uint32"),
        ("num_channels", 5, "uint32"),
        ("pts", 6, "uint64"),
    ),
    "TranscriptionFrame": (
        ("id", 1, "uint64"),
        ("name", 2, "string"),
        ("text", 3, "string"),
        ("user_id", 4, "string"),
        ("timestamp", 5, "string"),
    ),
    "MessageFrame": (("data", 1, "string"),),
    "InterruptionFrame": (("id", 1, "uint64"), ("name", 2, "string")),
}
"""Message → its fields: name, number, type."""
_ONE_OF = (
    ("text", 1, "TextFrame"),
    ("audio", 2, "AudioRawFrame"),
    ("transcription", 3, "TranscriptionFrame"),
    ("message", 4, "MessageFrame"),
    ("interruption", 5, "InterruptionFrame"),
)
"""The alternatives of a Frame: name, number, message."""
_PACKAGE = "duplex_lab_wires"
"""Not ``pipecat``: the process may have loaded Pipecat's own descriptors of that name. Names are
not on the wire."""


@dataclass(frozen=True, slots=True)
class AudioFrame:
    """Raw audio."""

    pcm: npt.NDArray[np.int16]  # (n,): the first channel
    rate_hz: int
    channels: int
    """Number of channels that were sent, interleaved."""


@dataclass(frozen=True, slots=True)
class TextFrame:
    """A text of the bot's."""

    text: str


@dataclass(frozen=True, slots=True)
class TranscriptionFrame:
    """Words of the user's, as recognised."""

    text: str


@dataclass(frozen=True, slots=True)
class MessageFrame:
    """A JSON text, RTVI as a rule."""

    data: str


@dataclass(frozen=True, slots=True)
class InterruptionFrame:
    """The user interrupts: unheard audio is to be dropped."""


Frame = AudioFrame | TextFrame | TranscriptionFrame | MessageFrame | InterruptionFrame


@cache
def _frame_class() -> Any:
    """The generated class of `Frame`."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    kinds = descriptor_pb2.FieldDescriptorProto
    types = {
        "uint64": kinds.TYPE_UINT64,
        "uint32": kinds.TYPE_UINT32,
        "string": kinds.TYPE_STRING,
        "bytes": kinds.TYPE_BYTES,
    }
    file = descriptor_pb2.FileDescriptorProto(
        name=f"{_PACKAGE}.proto", package=_PACKAGE, syntax="proto3"
    )
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            message.field.add(
                name=field, number=number, type=types[kind], label=kinds.LABEL_OPTIONAL
            )
    frame = file.message_type.add(name="Frame")
    frame.oneof_decl.add(name="frame")
    for field, number, kind in _ONE_OF:
        frame.field.add(
            name=field,
            number=number,
            type=kinds.TYPE_MESSAGE,
            label=kinds.LABEL_OPTIONAL,
            type_name=f".{_PACKAGE}.{kind}",
            oneof_index=0,
        )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Frame"))


def read(data: bytes) -> Frame | None:
    """The frame of a message; None: one that this module does not know.

    Raises:
        WireError: it is no frame.
    """
    from google.protobuf.message import DecodeError

    try:
        proto = _frame_class().FromString(data)
    except DecodeError as error:
        raise WireError(f"a message is no frame of Pipecat's: {error}") from None
    which = proto.WhichOneof("frame")
    if which == "audio":
        return _audio(proto.audio)
    if which == "text":
        return TextFrame(proto.text.text)
    if which == "transcription":
        return TranscriptionFrame(proto.transcription.text)
    if which == "message":
        return MessageFrame(proto.message.data)
    return InterruptionFrame() if which == "interruption" else None


def audio(pcm: npt.NDArray[np.int16], rate_hz: int) -> bytes:
    """A message with (n,) samples of mono audio."""
    proto = _frame_class()()
    proto.audio.audio = pcm.astype("<i2").tobytes()
    proto.audio.sample_rate = rate_hz
    proto.audio.num_channels = 1
    return bytes(proto.SerializeToString())


def message(data: str) -> bytes:
    """A message with a JSON text."""
    proto = _frame_class()()
    proto.message.data = data
    return bytes(proto.SerializeToString())


def interruption() -> bytes:
    """A message that says that the user interrupts."""
    proto = _frame_class()()
    proto.interruption.SetInParent()
    return bytes(proto.SerializeToString())


def _audio(proto: Any) -> AudioFrame:
    channels = proto.num_channels or 1
    pcm = samples(proto.audio)
    if not proto.sample_rate:
        raise WireError("audio came without its sample rate")
    if len(pcm) % channels:
        raise WireError(f"audio of {channels} channels ends within a sample of all channels")
    return AudioFrame(np.ascontiguousarray(pcm[::channels]), proto.sample_rate, channels)
