"""What an agent is, and what stands behind its words: said by its preset and on every row."""

from __future__ import annotations

from typing import Literal, get_args

Kind = Literal["cascade", "speech", "duplex", "remote", "recorded", "scripted", "click"]
"""Kinds of agent: the kind decides what makes a turn valid, see bench/metrics/validity.py."""
KINDS: tuple[Kind, ...] = get_args(Kind)

Modality = Literal["voice-to-voice", "speech-to-text", "text-to-speech"]
"""From what a preset makes what, by the names of the field."""

Weights = Literal["trained", "synthetic", "scripted"]
"""Source of the agent's words: trained models, random ones, or a script."""
WEIGHTS: tuple[Weights, ...] = get_args(Weights)
