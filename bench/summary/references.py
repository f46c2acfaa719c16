"""Reference lines of every latency axis: figures of people and vendors to compare with."""

from __future__ import annotations

REFERENCES = (
    (160.0, "160 duplex floor", 0),
    (200.0, "200 human gap", 1),
    (500.0, "500 felt target", 0),
)
"""Time in ms after u_off, its name, and the line of text above the plot that holds the name."""
CLAIM_MS = (600.0, 900.0)
CLAIM = ("600–900 cascade claim", 2)
"""The figure commonly claimed for a cascade, its name and line."""
