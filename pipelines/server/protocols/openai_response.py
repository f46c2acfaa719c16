"""One response of OpenAI's Realtime protocol: its events, in the protocol's order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipelines.audio.reply_resample import ReplyResampler
from pipelines.server.protocols.commands import Pcm
from pipelines.server.protocols.openai_items import Item
from pipelines.server.protocols.openai_settings import Settings, format_of
from pipelines.wires.messages import base64_text
from pipelines.wires.openai_realtime import RATES_HZ, coded

Send = Callable[..., None]
"""Sends an event: its type, then its fields by keyword."""


class Response:
    """An answer, or calls of functions; it begins when it is made.

    Args:
        response_id: Its name.
        conversation_id: Name of the conversation.
        settings: Of the session, as they are when it begins.
        rate_hz: Rate of the agent's audio.
        send: Takes its events.
        added: Takes each item as it begins; returns its place: the name of the item before it.
        metadata: Of the client's ``response.create``.
    """

    def __init__(
        self,
        response_id: str,
        conversation_id: str,
        settings: Settings,
        rate_hz: int,
        send: Send,
        added: Callable[[Item], str | None],
        metadata: Any = None,
    ) -> None:
        self.id = response_id
        self._conversation_id = conversation_id
        self._settings = settings
        self._send = send
        self._added = added
        self._metadata = metadata
        self._items: list[Item] = []
        self._spoken: Item | None = None
        self._words: list[str] = []
        self._samples = 0
        self._is_text = settings.modality == "text"
        self._rate = ReplyResampler(rate_hz, RATES_HZ[settings.out_audio])
        send("response.created", response=self._table("in_progress", None))

    @property
    def spoke(self) -> bool:
        """Whether it holds words or audio already."""
        return self._spoken is not None

    @property
    def calls(self) -> bool:
        """Whether it holds a call of a function."""
        return any(item is not self._spoken for item in self._items)

    def audio(self, pcm: Pcm) -> None:
        """(n,) samples of the agent's speech."""
        if self._is_text:
            return
        self._deliver(self._rate.feed(pcm))

    def flush(self) -> None:
        """What the filter holds back goes out."""
        self._deliver(self._rate.end())

    def words(self, text: str) -> None:
        """A piece of what the agent says."""
        if not text:
            return
        item = self._speech()
        self._words.append(text)
        name = "response.output_text.delta" if self._is_text else _TRANSCRIPT.format("delta")
        self._part(name, item, delta=text)

    def call(self, call_id: str, name: str, arguments: str) -> None:
        """The model calls a function."""
        table = {
            "id": f"{self.id}_call{len(self._items)}",
            "object": "realtime.item",
            "type": "function_call",
            "status": "in_progress",
            "call_id": call_id,
            "name": name,
            "arguments": "",
        }
        item = self._begin(table)
        at = {"item_id": item.id, "output_index": self._items.index(item), "call_id": call_id}
        kind = "response.function_call_arguments"
        self._send(f"{kind}.delta", response_id=self.id, **at, delta=arguments)
        self._send(f"{kind}.done", response_id=self.id, **at, name=name, arguments=arguments)
        item.table |= {"arguments": arguments, "status": "completed"}
        self._finish(item)

    def end(self, status: str, details: dict[str, Any] | None = None) -> None:
        """The last events: the speech's own, then ``response.done``.

        Args:
            status: ``completed``, ``cancelled`` or ``failed``.
            details: The protocol's ``status_details``.
        """
        if self._spoken is not None:
            self._end_speech(self._spoken, is_whole=status == "completed")
        self._send("response.done", response=self._table(status, details))

    def _speech(self) -> Item:
        if self._spoken is None:
            table = {
                "id": f"{self.id}_item",
                "object": "realtime.item",
                "type": "message",
                "role": "assistant",
                "status": "in_progress",
                "content": [],
            }
            self._spoken = self._begin(table)
            kind = "text" if self._is_text else "audio"
            part = {"type": kind, "text" if self._is_text else "transcript": ""}
            self._part("response.content_part.added", self._spoken, part=part)
        return self._spoken

    def _deliver(self, pcm: Pcm) -> None:
        if not len(pcm):
            return
        item = self._speech()
        self._samples += len(pcm)
        item.audio_ms = self._samples * 1000 // RATES_HZ[self._settings.out_audio]
        delta = base64_text(coded(pcm, self._settings.out_audio))
        self._part("response.output_audio.delta", item, delta=delta)

    def _end_speech(self, item: Item, is_whole: bool) -> None:
        if is_whole:
            self.flush()
        said = "".join(self._words)
        if self._is_text:
            self._part("response.output_text.done", item, text=said)
            part = {"type": "text", "text": said}
            item.table["content"] = [{"type": "output_text", "text": said}]
        else:
            self._part("response.output_audio.done", item)
            self._part(_TRANSCRIPT.format("done"), item, transcript=said)
            part = {"type": "audio", "transcript": said}
            item.table["content"] = [{"type": "output_audio", "transcript": said}]
        self._part("response.content_part.done", item, part=part)
        item.table["status"] = "completed" if is_whole else "incomplete"
        self._finish(item)

    def _begin(self, table: dict[str, Any]) -> Item:
        item = Item(table)
        previous_id = self._added(item)
        self._items.append(item)
        index = len(self._items) - 1
        shown = dict(table)
        self._send(
            "response.output_item.added", response_id=self.id, output_index=index, item=shown
        )
        self._send("conversation.item.added", previous_item_id=previous_id, item=shown)
        return item

    def _finish(self, item: Item) -> None:
        shown = dict(item.table)
        index = self._items.index(item)
        previous_id = self._items[index - 1].id if index else None
        self._send("conversation.item.done", previous_item_id=previous_id, item=shown)
        self._send("response.output_item.done", response_id=self.id, output_index=index, item=shown)

    def _part(self, kind: str, item: Item, **more: Any) -> None:
        self._send(
            kind,
            response_id=self.id,
            item_id=item.id,
            output_index=self._items.index(item),
            content_index=0,
            **more,
        )

    def _table(self, status: str, details: dict[str, Any] | None) -> dict[str, Any]:
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": details,
            "output": [dict(item.table) for item in self._items],
            "conversation_id": self._conversation_id,
            "output_modalities": [self._settings.modality],
            "max_output_tokens": "inf",
            "audio": {"output": {"format": format_of(self._settings.out_audio)}},
            "usage": None,
            "metadata": self._metadata,
        }


_TRANSCRIPT = "response.output_audio_transcript.{}"
