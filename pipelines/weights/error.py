"""The error of weights, for both sides: the user's command line and a model's child process."""

from __future__ import annotations

from pipelines.errors import LabError
from pipelines.process.engine import EngineError


class WeightsError(LabError, EngineError):
    """Weights are missing, damaged, of the wrong shape, or too large for this machine."""
