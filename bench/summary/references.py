"""Marks of reference on every axis of latency: what people and vendors compare with."""

from __future__ import annotations

REFERENCES = (
    (160.0, "160 duplex floor", 0),
    (200.0, "200 human gap", 1),
    (500.0, "500 felt target", 0),
)
"""ms after u_off, what it is, and the line of text above the plot that names it."""
CLAIM_MS = (600.0, 900.0)
CLAIM = ("600–900 cascade claim", 2)
"""What is commonly claimed for a cascade, its name and line."""
