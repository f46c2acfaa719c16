"""Lines that people ask for and that can't be spoken here: each with the reason and the way round.

They are rows, so that ``--line livekit`` gets a sentence and the list shows them.
"""

from __future__ import annotations

from bench.lines.line import Line, LineError, LineRow


def _none(url: str, **options: object) -> Line:
    raise LineError("this line can't be spoken")


_PIPECAT = (
    "measure the Pipecat pipeline behind it in the lab's own process (--bot FILE), or give the bot "
    "a WebSocket beside its room (--line pipecat)"
)
ROWS = (
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
