"""Moshi's protocol, the server's half: Opus in Ogg both ways, and pieces of text.

The server has no clock of its own: a model steps once for each 1920 samples that come in, and what
it says goes out at once, in packets of 40 ms. A pipeline that is silent between its answers sends
nothing then, where Moshi sends packets of silence; the stream's own time has no gaps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.audio.levels import as_floats, as_int16
from pipelines.audio.reframe import Reframer
from pipelines.audio.reply_resample import ReplyResampler
from pipelines.audio.stream_resample import StreamResampler
from pipelines.server.protocols.commands import Command, Hear, Pcm
from pipelines.wires import moshi
from pipelines.wires.error import WireError

PACKET = moshi.FRAME_SAMPLES // 2
"""Samples of what sphn writes as one page, 40 ms."""
LONGEST_PROMPT = 65_536
"""Characters of a persona."""


@dataclass(frozen=True, slots=True)
class Persona:
    """What PersonaPlex's clients ask for in the address; all of it optional here."""

    text: str = ""
    """The persona: becomes the agent's instructions, where it takes any."""
    voice: str = ""
    """Name of a voice. The preset's own is in effect."""
    seed: int | None = None
    """Seed of sampling. The preset's own is in effect."""


def persona(query: Mapping[str, str]) -> Persona:
    """The persona of an address; parameters of other names (the web client's) are passed over.

    Raises:
        WireError: a parameter can't be followed.
    """
    text = query.get("text_prompt", "")
    if len(text) > LONGEST_PROMPT:
        raise WireError(f"text_prompt has {len(text)} characters: {LONGEST_PROMPT} are the most")
    seed = query.get("seed", "-1")
    try:
        number = int(seed[:20])
    except ValueError:
        raise WireError(f"seed = {seed[:20]!r} is no whole number") from None
    return Persona(text, query.get("voice_prompt", ""), None if number < 0 else number)


class MoshiServer:
    """One session; its handshake is the first message.

    Args:
        in_rate_hz: Rate of the audio that the conversation takes.
        out_rate_hz: Rate of the audio that it gives.
    """

    def __init__(self, in_rate_hz: int, out_rate_hz: int) -> None:
        import sphn

        self._reader: Any = sphn.OpusStreamReader(moshi.RATE_HZ)
        self._writer: Any = sphn.OpusStreamWriter(moshi.RATE_HZ)
        self._rate_in = StreamResampler(moshi.RATE_HZ, in_rate_hz)
        self._rate_out = ReplyResampler(out_rate_hz, moshi.RATE_HZ)
        self._packets = Reframer(PACKET)
        self._out: list[bytes] = [moshi.message(moshi.HANDSHAKE)]

    def take(self) -> list[bytes]:
        """The messages for the client since the last call."""
        out, self._out = self._out, []
        return out

    def receive(self, data: bytes) -> list[Command]:
        """One message of the client's; kinds but audio are passed over, as Moshi's server does.

        Raises:
            WireError: it is not of this protocol: the session can't go on.
        """
        message = moshi.read(data)
        if message.kind != moshi.AUDIO:
            return []
        try:
            decoded = self._reader.append_bytes(message.payload)
        except Exception as error:  # sphn raises its own kinds
            raise WireError(f"the audio is no Opus in Ogg: {error}") from None
        if decoded is None or not len(decoded):
            return []
        pcm = self._rate_in.feed(np.asarray(decoded, np.float32))
        return [Hear(as_int16(pcm))]

    def agent_audio(self, pcm: Pcm) -> None:
        """(n,) samples of the agent's speech."""
        self._send(self._rate_out.feed(pcm))

    def agent_words(self, text: str) -> None:
        """A piece of what the agent says."""
        if text:
            self._out.append(moshi.message(moshi.TEXT, text.encode("utf-8", "replace")))

    def flush(self) -> None:
        """The agent's audio has paused: its rest goes out, filled up to a packet."""
        self._send(self._rate_out.end())
        if missing := -self._packets.held % PACKET:
            self._send(np.zeros(missing, np.int16))

    def interrupted(self) -> None:
        """The agent fell silent: what was not sent yet is dropped; the protocol can't unsay."""
        self._rate_out.drop()
        self._packets.clear()

    def failed(self, sentence: str) -> None:
        """The agent can't go on; the kind that Moshi's Rust server has."""
        self._out.append(moshi.message(moshi.ERROR, sentence.encode("utf-8", "replace")))

    def _send(self, pcm: Pcm) -> None:
        for packet in self._packets.feed(pcm):
            page = self._writer.append_pcm(as_floats(packet).astype(np.float32))
            if page:
                self._out.append(moshi.message(moshi.AUDIO, bytes(page)))
