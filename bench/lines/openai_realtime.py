"""The line to a server of OpenAI's Realtime protocol: OpenAI, Azure, vLLM-Omni and others.

Audio comes faster than real time as a rule: the caller hears it in real time. When the user
interrupts (the server's ``speech_started``), audio not yet heard is dropped and the server is told
how much of the answer was *heard*.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from bench.lines.line import (
    Chunk,
    Event,
    LineRow,
    Ready,
    Words,
    Work,
)
from bench.lines.options import OpenAIOptions
from bench.lines.websocket_line import WebSocketLine
from pipelines.wires import openai_realtime
from pipelines.wires.error import WireError
from pipelines.wires.openai_realtime import RATES_HZ, AudioType


@dataclass(slots=True)
class _Item:
    """One spoken item of an answer."""

    item_id: str
    content_index: int
    first: int
    """Its first sample, counted over all audio of the conversation."""
    samples: int = 0


class OpenAIRealtime(WebSocketLine):
    """One session.

    Args:
        url: ``ws://…/v1/realtime?model=…`` or ``wss://``.
        turns: Who ends the user's turn.
        vad: Options of the server's detector.
        audio: Format of both directions.
        instructions: Prompt.
        voice: Voice.
        session: More fields of the session.
        headers: Headers of the HTTP request, ``Authorization`` for one.
    """

    def __init__(
        self,
        url: str,
        turns: Literal["server_vad", "semantic_vad", "commit"] = "server_vad",
        vad: Mapping[str, Any] | None = None,
        audio: AudioType = "audio/pcm",
        instructions: str = "",
        voice: str = "",
        session: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(url, headers)
        self._audio = audio
        self._commits = turns == "commit"
        self._update = openai_realtime.session_update(
            audio=audio,
            turn_detection=None if self._commits else {"type": turns, **(vad or {})},
            instructions=instructions,
            voice=voice,
            extra=session,
        )
        self._is_ready = False
        self._generations: dict[str, int] = {}
        """Response → number of clears before it."""
        self._open: set[str] = set()
        """Responses that the model works on."""
        self._items: list[_Item] = []
        self._played = 0

    def encode(self, chunk: Chunk) -> bytes:
        """``input_audio_buffer.append``."""
        data = openai_realtime.coded(chunk.pcm, self._audio)
        return self.channel.send(openai_realtime.append(data))

    def turn_over(self) -> bytes:
        """``commit`` and ``response.create``, where the caller ends turns."""
        if not self._commits:
            return b""
        self.channel.queue(openai_realtime.commit())
        return self.channel.send(openai_realtime.create_response())

    def played(self, samples: int) -> bytes:
        """Nothing to send: the count is needed at a cut only."""
        self._played = samples
        return b""

    def cut(self, heard: int) -> bytes:
        """``conversation.item.truncate`` of the item that was being heard."""
        item = next((one for one in self._items if heard < one.first + one.samples), None)
        self._items.clear()
        if item is None:
            return b""
        heard_ms = max(0, heard - item.first) * 1000 // RATES_HZ[self._audio]
        message = openai_realtime.truncate(item.item_id, item.content_index, heard_ms)
        return self.channel.send(message)

    def opened(self) -> list[Event]:
        """``session.update``; the session is ready once the server has taken it."""
        self.channel.queue(self._update)
        return []

    def text(self, message: str) -> list[Event]:
        """One event of the server's."""
        event = openai_realtime.read(message)
        if isinstance(event, openai_realtime.AudioDelta):
            return self._speech(event)
        if isinstance(event, openai_realtime.SessionIs):
            return self._session(event)
        if isinstance(event, openai_realtime.SpeechStarted):
            return self._interrupted()
        if isinstance(event, openai_realtime.ResponseBegun):
            self._open.add(event.response_id)
            return [Work(len(self._open))]
        if isinstance(event, openai_realtime.ResponseOver):
            return self._over(event)
        if isinstance(event, openai_realtime.AgentWords):
            return [Words("agent", event.text)]
        if isinstance(event, openai_realtime.UserWords):
            return [Words("user", event.text)]
        if isinstance(event, openai_realtime.ServerError):
            return self._error(event)
        return []

    def _session(self, event: openai_realtime.SessionIs) -> list[Event]:
        if not event.updated or self._is_ready:
            return []
        self._is_ready = True
        return [Ready(RATES_HZ[self._audio])]

    def _speech(self, delta: openai_realtime.AudioDelta) -> list[Event]:
        pcm = openai_realtime.decoded(delta.data, self._audio)
        generation = self._generations.setdefault(delta.response_id, self.generation)
        if generation == self.generation:
            self._note(delta, len(pcm))
        return [self.audio(pcm, delta.rate_hz, generation)]

    def _note(self, delta: openai_realtime.AudioDelta, samples: int) -> None:
        last = self._items[-1] if self._items else None
        if last is None or last.item_id != delta.item_id:
            last = _Item(delta.item_id, delta.content_index, self.received)
            self._items.append(last)
        last.samples += samples

    def _interrupted(self) -> list[Event]:
        """The user speaks: what was not heard yet is dropped, if there is anything."""
        return [self.clear()] if self._played < self.received else []

    def _over(self, event: openai_realtime.ResponseOver) -> list[Event]:
        self._open.discard(event.response_id)
        if event.status == "failed":
            reason = event.reason or "no reason given"
            raise WireError(f"an answer failed: {reason}")
        return [Work(len(self._open))]

    def _error(self, event: openai_realtime.ServerError) -> list[Event]:
        """An error before the session is ready ends it; later ones concern single messages."""
        if not self._is_ready:
            raise WireError(f"the server refuses the session ({event.code}): {event.message}")
        return [Words("error", f"{event.code}: {event.message}")]


ROW = LineRow(
    "openai-realtime",
    "OpenAI's Realtime protocol over a WebSocket",
    connects="caller",
    paths=("/v1/realtime",),
    make=OpenAIRealtime,
    options=OpenAIOptions,
    in_rate_hz=lambda options: RATES_HZ[options.get("audio", "audio/pcm")],
)
