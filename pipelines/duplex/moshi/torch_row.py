"""Moshi by moshi on torch: the row, apart from the adapter, which imports numpy."""

from __future__ import annotations

from pipelines.duplex.moshi.weights.preset import MoshiWeights, sampling
from pipelines.duplex.session.row import AdapterRow

ROW = AdapterRow(
    name="torch",
    what="Moshi by moshi on torch",
    families=("moshi",),
    licence="MIT",
    path="pipelines.duplex.moshi.torch:MoshiTorch",
    abilities=("text_stream", "forced_text"),
    arguments=lambda model, script: sampling(model),
    weights=MoshiWeights(),
    environment="moshi-torch",
    devices=("cuda", "cpu"),
)
