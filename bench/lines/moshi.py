"""The line to a Moshi or PersonaPlex server: Opus in Ogg, by the package sphn.

Nothing is sent before the server's handshake: PersonaPlex discards what comes while it reads its
prompts, the head of the Ogg stream with it. The codec's look-ahead (6.5 ms) is not subtracted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

import numpy as np

from bench.lines.line import (
    Chunk,
    Event,
    Fact,
    LineError,
    LineRow,
    Ready,
    Words,
)
from bench.lines.options import MoshiOptions
from bench.lines.websocket_line import WebSocketLine
from pipelines.wires import moshi
from pipelines.wires.error import WireError


class Moshi(WebSocketLine):
    """One session.

    Args:
        url: ``ws://host:8998/api/chat``.
        voice_prompt: PersonaPlex: a voice of the server's.
        text_prompt: PersonaPlex: the persona.
        seed: PersonaPlex: seed of sampling; −1: none.
        headers: Headers of the HTTP request.

    Raises:
        LineError: the URL is not one of a WebSocket, or sphn is not installed.
    """

    def __init__(
        self,
        url: str,
        voice_prompt: str = "",
        text_prompt: str = "",
        seed: int = -1,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        try:
            import sphn
        except ImportError:
            raise LineError(
                "the line moshi needs the package sphn: install the extra duplex-lab[server]"
            ) from None
        asked = {"voice_prompt": voice_prompt, "text_prompt": text_prompt} if voice_prompt else {}
        if seed >= 0:
            asked["seed"] = str(seed)
        super().__init__(_with_query(url, asked), headers)
        self._reader: Any = sphn.OpusStreamReader(moshi.RATE_HZ)
        self._writer: Any = sphn.OpusStreamWriter(moshi.RATE_HZ)
        self._is_ready = False
        self._has_head = False

    def encode(self, chunk: Chunk) -> bytes:
        """The pages of the Ogg stream that the chunk completes: every other one, of 40 ms."""
        page = self._writer.append_pcm(chunk.pcm.astype(np.float32) / 32_768)
        return self.channel.send(moshi.message(moshi.AUDIO, page)) if page else b""

    def binary(self, data: bytes) -> list[Event]:
        """One message, by its kind."""
        message = moshi.read(data)
        if message.kind == moshi.HANDSHAKE and not self._is_ready:
            self._is_ready = True
            return [Ready(moshi.RATE_HZ)]
        if message.kind == moshi.AUDIO:
            return self._speech(message.payload)
        if message.kind == moshi.TEXT:
            return [Words("agent", moshi.piece(message.payload))]
        if message.kind == moshi.ERROR:
            said = message.payload.decode("utf-8", "replace")
            raise WireError(f"the server reports an error: {said}")
        return []

    def _speech(self, pages: bytes) -> list[Event]:
        try:
            decoded = self._reader.append_bytes(pages)
        except Exception as error:  # sphn raises its own kinds
            raise WireError(f"its audio is no Opus in Ogg: {error}") from None
        if decoded is None or not len(decoded):
            return self._head(pages)
        pcm = np.clip(np.rint(decoded * 32_768), -32_768, 32_767).astype(np.int16)
        return [*self._head(pages), self.audio(pcm)]

    def _head(self, pages: bytes) -> list[Event]:
        """What the head of the stream says to skip; nothing of the pages after it."""
        told = None if self._has_head else moshi.pre_skip_ms(pages)
        if told is None:
            return []
        self._has_head = True
        return [Fact("pre_skip", told)]


def _with_query(url: str, asked: Mapping[str, str]) -> str:
    """The URL with more parameters in its query."""
    if not asked:
        return url
    parts = urlsplit(url)
    query = "&".join(filter(None, (parts.query, urlencode(asked))))
    return urlunsplit(parts._replace(query=query))


ROW = LineRow(
    "moshi",
    "a Moshi or PersonaPlex server: Opus in Ogg over a WebSocket",
    connects="caller",
    paths=("/api/chat",),
    make=Moshi,
    options=MoshiOptions,
    in_rate_hz=lambda options: moshi.RATE_HZ,
    packet_ms=40.0,
    look_ahead_ms=6.5,
    aim_ms=(1.0, 3.0),
)
