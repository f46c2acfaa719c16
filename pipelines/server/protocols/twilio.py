"""Twilio Media Streams, the server's half: one telephone call over a WebSocket.

µ-law at 8 kHz in messages of 20 ms, both ways. A reply goes out to its last sample: its end is
filled up with silence to a whole message, and followed by a mark, which Twilio sends back once the
caller has heard it, or once it was cleared.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipelines.audio.levels import as_floats, as_int16
from pipelines.audio.reframe import Reframer
from pipelines.audio.reply_resample import ReplyResampler
from pipelines.audio.stream_resample import StreamResampler
from pipelines.server.protocols.commands import Command, HangUp, Hear, Pcm, PressKey
from pipelines.wires import g711, twilio
from pipelines.wires.error import WireError
from pipelines.wires.messages import field, json_object

PAYLOAD = g711.RATE_HZ * twilio.MEDIA_MS // 1000
"""Bytes, and samples, of one message: 20 ms."""
LARGEST_PAYLOAD = 50 * PAYLOAD
"""Bytes of one message of Twilio's that are taken: 1 s. Twilio sends 20 ms."""
FORMAT = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
"""The only format of Media Streams."""


class Greeting:
    """Twilio's first two messages: ``connected``, ``start``."""

    def __init__(self) -> None:
        self._connected = False

    def receive(self, text: str | bytes) -> twilio.Start | None:
        """The call's ``start``; None: it has not come yet.

        Raises:
            WireError: it is another message, or of another format of audio.
        """
        message, table = twilio.read(text), json_object(text)
        if not self._connected:
            if table.get("event") != "connected":
                raise WireError("Twilio's first message is 'connected'")
            self._connected = True
            return None
        if not isinstance(message, twilio.Start):
            raise WireError("Twilio's second message is 'start'")
        given = field(table, "start.mediaFormat")
        if given != FORMAT:
            raise WireError(f"start.mediaFormat is {str(given)[:120]}: only {FORMAT} is served")
        return message


class TwilioCall:
    """One call.

    Args:
        start: Twilio's, from its `Greeting`.
        in_rate_hz: Rate of the audio that the conversation takes.
        out_rate_hz: Rate of the audio that it gives.
    """

    def __init__(self, start: twilio.Start, in_rate_hz: int, out_rate_hz: int) -> None:
        self._sid = start.stream_sid
        self._rate_in = StreamResampler(g711.RATE_HZ, in_rate_hz)
        self._rate_out = ReplyResampler(out_rate_hz, g711.RATE_HZ)
        self._frames = Reframer(PAYLOAD)
        self._out: list[dict[str, Any]] = []
        self._replies = 0
        self.in_reply = False
        """Whether a reply goes on."""
        self.unheard: list[str] = []
        """Marks that did not come back: their replies were not heard to the end."""

    def take(self) -> list[dict[str, Any]]:
        """The messages for Twilio since the last call."""
        out, self._out = self._out, []
        return out

    def receive(self, text: str | bytes) -> list[Command]:
        """One message of Twilio's.

        Raises:
            WireError: it is not of this protocol: the call can't go on.
        """
        message = twilio.read(text)
        if isinstance(message, twilio.Media):
            return self._heard(message.codes)
        if isinstance(message, twilio.MarkNamed) and message.name in self.unheard:
            self.unheard.remove(message.name)
        if isinstance(message, twilio.Digit):
            return [PressKey(message.digit)]
        return [HangUp()] if isinstance(message, twilio.Stop) else []

    def _heard(self, codes: bytes) -> list[Command]:
        if len(codes) > LARGEST_PAYLOAD:
            raise WireError(f"a payload of {len(codes)} bytes: {LARGEST_PAYLOAD} are the most")
        pcm = self._rate_in.feed(as_floats(g711.decode(codes)))
        heard = as_int16(pcm)
        return [Hear(heard)] if len(heard) else []

    def agent_audio(self, pcm: Pcm) -> None:
        """(n,) samples of the agent's speech."""
        self.in_reply |= bool(len(pcm))
        self._send(self._rate_out.feed(pcm))

    def flush(self) -> None:
        """The agent's audio has paused: its rest goes out, filled up to a whole message."""
        self._send(self._rate_out.end())
        if missing := -self._frames.held % PAYLOAD:
            self._send(np.zeros(missing, np.int16))

    def agent_done(self) -> None:
        """The agent's reply is complete: its rest goes out, and a mark."""
        if not self.in_reply:
            return
        self.flush()
        self.in_reply = False
        self._replies += 1
        name = f"reply-{self._replies}"
        self.unheard.append(name)
        self._out.append(twilio.mark(self._sid, name))

    def interrupted(self) -> None:
        """The agent fell silent: what Twilio has not played is dropped."""
        self._rate_out.drop()
        self._frames.clear()
        self.in_reply = False
        self._out.append(twilio.clear(self._sid))

    def _send(self, pcm: Pcm) -> None:
        self._out += [
            twilio.outbound(self._sid, g711.encode(frame)) for frame in self._frames.feed(pcm)
        ]
