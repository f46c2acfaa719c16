"""A finding where a run does not agree with itself: one contradiction, of one kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

FindingKind = Literal[
    "figure", "row", "fixture", "user", "agent", "order", "clock", "copy", "face", "changed"
]


@dataclass(frozen=True, slots=True)
class Finding:
    """One contradiction."""

    run: str
    """The run's folder."""
    trial: str
    """The trial; empty: the whole run."""
    kind: FindingKind
    """See `KINDS`."""
    text: str
    """The contradiction, with both values."""


KINDS: Mapping[str, str] = {
    "figure": "a stored figure is not what marks and recording give",
    "row": "a trial's row does not agree with its marks or recording",
    "fixture": "the run's labels are not those of the fixture that it names",
    "user": "the user's channel is not the fixture's audio at the stamped time",
    "agent": "the agent's channel does not agree with the marks of the ear",
    "order": "an effect lies before its cause",
    "clock": "a trial's clocks are not those of the rest of its run",
    "copy": "the same recording or marks stand in another place",
    "face": "a page's times do not agree with themselves, or with the run",
    "changed": "a file is not as it was packed",
}
"""Kind of finding → its meaning."""
