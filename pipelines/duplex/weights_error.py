"""The error of weights, for both sides: the user's command line and a model's child process."""

from __future__ import annotations

from pipelines.engine import EngineError
from pipelines.errors import LabError


class WeightsError(LabError, EngineError):
    """Weights are missing, damaged, of the wrong shape, or too large for this machine."""
