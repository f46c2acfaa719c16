"""The known causes: `CAUSES` joins the rows of all groups.

A cause is a detector and its row, side by side in the file of its group; nothing else lists it.
"""

from __future__ import annotations

from bench.causes import end_of_turn, models, process, transports
from bench.causes.cause import Cause

CAUSES: tuple[Cause, ...] = (*end_of_turn.ROWS, *models.ROWS, *process.ROWS, *transports.ROWS)
"""Every known cause, in the order in which a turn passes the stages."""

BY_NAME: dict[str, Cause] = {cause.name: cause for cause in CAUSES}
"""Name → its row."""
