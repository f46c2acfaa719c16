"""What was said so far, and how many tokens it is: for budgets, and for the agent that goes on."""

from __future__ import annotations

from dataclasses import dataclass, field

from pipelines.server.session.events import Side

CHARACTERS_A_TOKEN = 4
"""Of English text, roughly: an estimate, for limits only; no figure is made of it."""
SPEAKERS: dict[Side, str] = {"user": "User", "agent": "You"}


def tokens(text: str) -> int:
    """Estimate of a text's tokens."""
    return -(-len(text) // CHARACTERS_A_TOKEN)


@dataclass(slots=True)
class Words:
    """The words of one conversation."""

    _turns: list[tuple[Side, str]] = field(default_factory=list)
    used: int = 0
    """Estimate of all tokens that the agent has read and written, each turn read once."""

    def add(self, side: Side, text: str) -> None:
        """Takes a piece of text; pieces of one side are joined."""
        self.used += tokens(text)
        if self._turns and self._turns[-1][0] == side:
            self._turns[-1] = side, self._turns[-1][1] + text
        else:
            self._turns.append((side, text))

    @property
    def asked(self) -> str:
        """The user's last words, if no answer has begun; else empty."""
        return self._turns[-1][1].strip() if self._turns and self._turns[-1][0] == "user" else ""

    def so_far(self, most_tokens: int, *, but_last: bool = False) -> str:
        """The last turns that fit, a line each, the oldest first; empty: nothing was said.

        Args:
            most_tokens: Estimate of the most that may be used.
            but_last: Leaves the last turn out.
        """
        lines: list[str] = []
        left = most_tokens
        for side, text in reversed(self._turns[:-1] if but_last else self._turns):
            line = f"{SPEAKERS[side]}: {' '.join(text.split())}"
            left -= tokens(line)
            if left < 0:
                break
            lines.append(line)
        return "\n".join(reversed(lines))
