"""The table of lines: the ``ROW`` of every module of this folder that has one.

Lines that people ask for and that can't be spoken here are rows too, each with the reason and the
way round: ``--line livekit`` gets a sentence, and the list shows them.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from urllib.parse import urlsplit

import bench.lines
from bench.lines.line import Line, LineChoice, LineError, LineRow


def _none(url: str, **options: object) -> Line:
    raise LineError("this line can't be spoken")


_PIPECAT = (
    "measure the Pipecat pipeline behind it in the lab's own process (--bot FILE), or give the bot "
    "a WebSocket beside its room (--line pipecat)"
)
REFUSED = (
    LineRow(
        "livekit",
        "a LiveKit room",
        connects="caller",
        make=_none,
        refusal="can't be spoken: a room needs LiveKit's server and its own media stack, whose "
        f"jitter buffer the ruler can't see into; {_PIPECAT}",
    ),
    LineRow(
        "daily",
        "a Daily room",
        connects="caller",
        make=_none,
        refusal="can't be spoken: the room is Daily's, and its client library is closed; "
        f"{_PIPECAT}",
    ),
    LineRow(
        "sip",
        "a SIP call",
        connects="caller",
        make=_none,
        refusal="can't be spoken: SIP needs a registrar and RTP ports; put Twilio's media stream "
        "before the agent (--line twilio), which telephone bots speak already",
    ),
)


@cache
def rows() -> dict[str, LineRow]:
    """Name → its row, sorted by name."""
    found = []
    for module in pkgutil.iter_modules(bench.lines.__path__, "bench.lines."):
        row = None if module.ispkg else getattr(importlib.import_module(module.name), "ROW", None)
        found += [row] if isinstance(row, LineRow) else []
    found += REFUSED
    return {row.name: row for row in sorted(found, key=lambda row: row.name)}


def row_of(name: str) -> LineRow:
    """The row of a line.

    Raises:
        LineError: there is none of that name.
    """
    if name not in rows():
        raise LineError(f"there is no line {name!r}; known: {', '.join(rows())}")
    return rows()[name]


def make(choice: LineChoice) -> Line:
    """The codec of one conversation.

    Raises:
        LineError: there is none of that name, it is refused, or its address is wrong.
    """
    row = row_of(choice.name)
    if row.refusal:
        raise LineError(f"the line {row.name} {row.refusal}")
    return row.make(choice.url, **choice.options)


def suggested(url: str) -> list[str]:
    """Names of the lines that an address looks like, the likeliest first; none: any may be.

    Args:
        url: Of an agent.
    """
    path = urlsplit(url).path.rstrip("/")
    fits = [row for row in rows().values() if path and path in row.paths and not row.refusal]
    return [row.name for row in sorted(fits, key=lambda row: row.paths.index(path))]
