"""The conversation of OpenAI's Realtime protocol: its items, in their order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from pipelines.server.protocols.openai_settings import EventError

MOST_ITEMS = 4_096
"""Items that are kept; of a longer conversation the oldest go."""
LONGEST_TEXT = 65_536
"""Characters of one text of a client's item."""
ROLES = {"user": "input_text", "system": "input_text", "assistant": "output_text"}
"""Who a message may be of, and the type of its text."""


@dataclass(slots=True)
class Item:
    """One item."""

    table: dict[str, Any]
    """As the protocol writes it."""
    audio_ms: int | None = None
    """Length of its audio, for an agent's speech."""

    @property
    def id(self) -> str:
        """Its name."""
        return str(self.table["id"])


@dataclass(slots=True)
class Items:
    """The items of one conversation."""

    _items: list[Item] = field(default_factory=list)

    @property
    def last_id(self) -> str | None:
        """Name of the newest item; None: there is none."""
        return self._items[-1].id if self._items else None

    def find(self, item_id: object, code: str) -> Item:
        """The item of a name.

        Raises:
            EventError: there is none; of the code given.
        """
        for item in self._items:
            if item.id == item_id:
                return item
        raise EventError(code, f"the conversation has no item {str(item_id)[:60]!r}", "item_id")

    def note_transcript(self, item_id: str, text: str) -> None:
        """Writes what was understood into a user's item, if it is kept still."""
        for item in self._items:
            if item.id == item_id:
                item.table["content"] = [{"type": "input_audio", "transcript": text}]

    def add(self, item: Item, after: object = None) -> str | None:
        """Adds an item; returns the name of the one before it.

        Args:
            item: The item.
            after: Name of the item before it, or ``root``; None: the newest.

        Raises:
            EventError: there is no such item, or one of that name already.
        """
        if any(one.id == item.id for one in self._items):
            raise EventError("invalid_value", f"there is an item {item.id[:60]!r} already", "id")
        at = len(self._items)
        if after == "root":
            at = 0
        elif after is not None:
            at = self._items.index(self.find(after, "invalid_value")) + 1
        self._items.insert(at, item)
        previous = self._items[at - 1].id if at else None
        del self._items[:-MOST_ITEMS]
        return previous

    def delete(self, item_id: object) -> str:
        """Deletes an item; returns its name.

        Raises:
            EventError: there is none.
        """
        item = self.find(item_id, "item_delete_invalid_item_id")
        self._items.remove(item)
        return item.id


def message_texts(item: Mapping[str, Any]) -> tuple[str, list[Mapping[str, Any]]]:
    """Role and parts of a client's message; a text's part has ``text``, an audio's ``audio``.

    Raises:
        EventError: it is no message that can be followed.
    """
    role = item.get("role")
    if role not in ROLES:
        raise EventError("invalid_value", f"item.role = {str(role)[:60]!r}", "item.role")
    parts = item.get("content")
    if not isinstance(parts, list) or not parts:
        raise EventError("missing_required_parameter", "item.content is missing", "item.content")
    return cast("str", role), [_part(part, role, n) for n, part in enumerate(parts)]


def _part(part: object, role: str, n: int) -> Mapping[str, Any]:
    at = f"item.content[{n}]"
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind in ("input_audio", "input_text", "output_text", "text"):
        assert isinstance(part, Mapping)
        key = "audio" if kind == "input_audio" else "text"
        if key == "audio" and role != "user":
            raise EventError("invalid_value", f"{at}: only a user's item holds audio", at)
        value = part.get(key)
        if isinstance(value, str) and (key == "audio" or len(value) <= LONGEST_TEXT):
            return part
        raise EventError(
            "invalid_value", f"{at}.{key} must be a text of {LONGEST_TEXT} characters at most", at
        )
    raise EventError("invalid_value", f"{at}: a part of type {str(kind)[:60]!r} is not served", at)
