"""The error of every wire protocol."""

from __future__ import annotations


class WireError(Exception):
    """What arrived is not of the protocol; one sentence that says how."""
