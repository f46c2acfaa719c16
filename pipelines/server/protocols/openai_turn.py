"""The user's turn in OpenAI's Realtime protocol: its place in the audio, its item, its words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pipelines.server.protocols.openai_items import Item, Items
from pipelines.server.protocols.openai_settings import Settings


class UserTurn:
    """The turn that goes on, or the last one.

    Args:
        send: Sends an event.
        name: Makes the name of an item.
        items: Takes the turn as an item.
        settings: The session's, as they are now.
    """

    def __init__(
        self,
        send: Callable[..., None],
        name: Callable[[], str],
        items: Items,
        settings: Callable[[], Settings],
    ) -> None:
        self._send = send
        self._name = name
        self._items = items
        self._settings = settings
        self.goes_on = False
        """Whether the user speaks."""
        self._item_id = ""
        self._ms = 0
        """Where in the session's audio it began; once it is over, its length, ms."""
        self._partial = ""
        """What was sent of its words before a final text."""
        self._finals: list[str] = []
        """Final texts that were not sent yet."""

    def begin(self, at_ms: int) -> None:
        """The user began to speak.

        Args:
            at_ms: Where in the session's audio.
        """
        self.goes_on = True
        self._item_id, self._ms = self._name(), at_ms
        self._send("input_audio_buffer.speech_started", audio_start_ms=at_ms, item_id=self._item_id)

    def end(self, at_ms: int) -> None:
        """The user has spoken; ``at_ms``: where in the session's audio they ended."""
        self.goes_on = False
        at_ms = max(self._ms, at_ms)
        self._ms = at_ms - self._ms
        self._send("input_audio_buffer.speech_stopped", audio_end_ms=at_ms, item_id=self._item_id)
        self._put()
        self._send_words()

    def commit(self, length_ms: int) -> None:
        """The client itself says that a turn of this length is over."""
        self._ms = length_ms
        self._item_id = self._name()
        self._put()

    def words(self, text: str, is_final: bool) -> None:
        """What the preset understood of it: so far, or for good.

        A turn may have several final texts, of its parts; the client gets them as one.
        """
        if not self._item_id or not text:
            return
        if is_final:
            self._finals.append(text)
            self._partial = ""
            if not self.goes_on:
                self._send_words()
        elif text.startswith(self._partial) and text != self._partial:
            # A recogniser that takes a word back has no event here: its final text comes.
            if self._settings().transcribes:
                self._send_transcription("delta", delta=text[len(self._partial) :])
            self._partial = text

    def _put(self) -> None:
        """It becomes an item."""
        item = {
            "id": self._item_id,
            "object": "realtime.item",
            "type": "message",
            "status": "completed",
            "role": "user",
            "content": [{"type": "input_audio", "transcript": None}],
        }
        previous_id = self._items.last_id
        self._send(
            "input_audio_buffer.committed", previous_item_id=previous_id, item_id=self._item_id
        )
        self._items.add(Item(item))
        for name in ("conversation.item.added", "conversation.item.done"):
            self._send(name, previous_item_id=previous_id, item=dict(item))

    def _send_words(self) -> None:
        """The words of the turn that is over, as one."""
        if not self._finals:
            return
        said = " ".join(self._finals)
        self._finals = []
        self._items.note_transcript(self._item_id, said)
        if self._settings().transcribes:
            usage = {"type": "duration", "seconds": self._ms / 1000}
            self._send_transcription("completed", transcript=said, usage=usage)

    def _send_transcription(self, kind: str, **fields: Any) -> None:
        name = f"conversation.item.input_audio_transcription.{kind}"
        self._send(name, item_id=self._item_id, content_index=0, **fields)
