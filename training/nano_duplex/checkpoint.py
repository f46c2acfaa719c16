"""What every training of duplex-nano needs: its optimiser's groups, and checkpoints never half."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn


def adamw(
    model: nn.Module, rate: float, betas: tuple[float, float], decay: float
) -> torch.optim.AdamW:
    """AdamW that decays matrices and filters, and leaves biases and scales as they are."""
    many = [p for p in model.parameters() if p.ndim > 1]
    few = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": many, "weight_decay": decay}, {"params": few, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=betas)


def keep(path: Path, state: Mapping[str, Any]) -> None:
    """Writes a checkpoint; a kill in the middle leaves the old one."""
    part = path.with_suffix(".part")
    torch.save(dict(state), part)
    part.replace(path)
