"""Likeness of an utterance and a memory → relevance.

The relevance is the share of candidates of that likeness that a person would call relevant.

A logistic regression on a labelled set (`training/memory`), of which a held-out part says how true
that share is (docs/memory.md).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pipelines.server.memory.finding.search import Found

FILE = Path(__file__).parent / "relevance.json"


def features(found: Found) -> dict[str, float]:
    """What the regression sees of a candidate."""
    return {
        "covered": found.covered,
        "shared": math.log1p(found.shared),
        "weight": found.weight,
        "cosine": found.cosine or 0.0,
    }


@dataclass(frozen=True, slots=True)
class Relevance:
    """One calibration."""

    weights: Mapping[str, float]
    """Feature → its weight."""
    bias: float

    def of(self, found: Found) -> float:
        """Relevance of a candidate, 0–1."""
        seen = features(found)
        z = self.bias + sum(weight * seen[name] for name, weight in self.weights.items())
        return 1 / (1 + math.exp(-max(-40.0, min(40.0, z))))


@cache
def calibrated() -> Relevance:
    """The calibration that ships."""
    table = json.loads(FILE.read_text(encoding="utf-8"))
    return Relevance(table["weights"], float(table["bias"]))
