"""What of a conversation fits into a language model's context: the oldest exchanges leave. Pure.

A model's tokens are counted where its engine says how many a prompt had; before it has said so, and
of what is new since, they are an estimate, by the characters that a token had so far.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

CHARACTERS_A_TOKEN = 4.0
"""Of English text, roughly, until a count is known."""
FRAME_CHARACTERS = 16
"""What a chat template writes around a message, roughly."""
KEPT = 0.75
"""Share of the room that is used after something had to leave: the next leaves some turns later,
and until then the model's prefix cache holds."""

Message = Mapping[str, Any]
BESIDE = ("system", "developer")
"""Roles of messages that nobody in the conversation said."""


class Fit:
    """Estimates a conversation's tokens, by what was counted of it."""

    def __init__(self) -> None:
        self.is_counted = False
        """Whether the estimate is by a count."""
        self._characters = CHARACTERS_A_TOKEN

    def learn(self, messages: Sequence[Message], tokens: int) -> None:
        """Takes the number of tokens that messages had as a prompt."""
        if messages and tokens > 0:
            self._characters = _characters(messages) / tokens
            self.is_counted = True

    def tokens(self, messages: Sequence[Message]) -> int:
        """Tokens of messages as a prompt."""
        return round(_characters(messages) / self._characters)

    def leaving(self, messages: Sequence[Message], room_tokens: int) -> range:
        """The messages that leave, so that the others fit; empty: all fit.

        The instructions at the beginning stay, and so does the last that the user said with what
        stands before it as a note. The oldest exchanges leave, each whole: a function's result
        without its call is refused by servers.

        Args:
            messages: The conversation.
            room_tokens: Most tokens of a prompt.
        """
        start = next((k for k, m in enumerate(messages) if m.get("role") not in BESIDE), 0)
        if self.tokens(messages) <= room_tokens:
            return range(start, start)
        stop = start
        for stop in _beginnings(messages, start):
            if self.tokens([*messages[:start], *messages[stop:]]) <= KEPT * room_tokens:
                break
        return range(start, stop)


def _beginnings(messages: Sequence[Message], start: int) -> list[int]:
    """Where exchanges begin after the first: at the user's message, or at the notes before it."""
    found = []
    for k in range(start + 1, len(messages)):
        before = messages[k - 1].get("role")
        if messages[k].get("role") != "user" or before == "user":
            continue
        while k - 1 > start and messages[k - 1].get("role") in BESIDE:
            k -= 1
        found.append(k)
    return found


def _characters(messages: Sequence[Message]) -> int:
    return sum(
        FRAME_CHARACTERS + sum(len(str(value)) for value in message.values())
        for message in messages
    )
