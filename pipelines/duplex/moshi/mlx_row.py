"""Moshi by moshi_mlx: the row, apart from the adapter, which imports numpy."""

from __future__ import annotations

from pipelines.duplex.moshi.weights.preset import MoshiWeights, sampling
from pipelines.duplex.session.row import AdapterRow

ROW = AdapterRow(
    name="mlx",
    what="Moshi by moshi_mlx, Mimi by rustymimi",
    families=("moshi",),
    licence="MIT",
    path="pipelines.duplex.moshi.mlx:MoshiMlx",
    abilities=("text_stream", "forced_text"),
    arguments=lambda model, script: sampling(model),
    weights=MoshiWeights(),
    environment="moshi-mlx",
    devices=("metal", "cpu"),
)
