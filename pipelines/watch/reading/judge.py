"""The classifier: is a candidate meant as a task? Logistic regression, its weights a small file.

It was trained with scikit-learn (`training/intent_watcher`); running it is one sum per candidate,
so only the standard library is needed.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pipelines.errors import LabError
from pipelines.watch.reading.features import features
from pipelines.watch.reading.spot import Candidate, Spotted

WEIGHTS = Path(__file__).parent / "weights.json"


class WatchError(LabError):
    """The intent watcher's files are missing or broken."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Weights of a logistic regression over `pipelines.watch.reading.features`."""

    bias: float
    weights: dict[str, float]
    """Feature → weight; 0 for all other features."""
    threshold: float = 0.5
    """Least probability that counts as meant."""

    def probability(self, spotted: Spotted, candidate: Candidate, who: str) -> float:
        """Probability that the candidate is meant as a task, 0–1."""
        names = features(spotted, candidate, who)
        logit = self.bias + sum(self.weights.get(name, 0.0) for name in names)
        return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, logit))))

    def meant(self, spotted: Spotted, candidate: Candidate, who: str) -> bool:
        """True if it is meant."""
        return self.probability(spotted, candidate, who) >= self.threshold


def load_judge(path: Path) -> Judge:
    """Reads a file of weights.

    Raises:
        WatchError: it is missing or broken.
    """
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
        weights = {str(k): float(v) for k, v in table["weights"].items()}
        return Judge(float(table["bias"]), weights, float(table["threshold"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WatchError(
            f"{path}: the classifier's weights can't be read ({error}): make them again with "
            "'python -m training.intent_watcher.make'."
        ) from None


@cache
def shipped_judge() -> Judge:
    """The classifier of this package.

    Raises:
        WatchError: its file is missing or broken.
    """
    return load_judge(WEIGHTS)
