"""A Moshi server elsewhere: the row, apart from the adapter, which imports numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipelines.duplex.session.row import AdapterRow

if TYPE_CHECKING:
    from pipelines.duplex.session.options import ModelOptions


def _arguments(model: ModelOptions, script: Any) -> dict[str, Any]:
    return {
        "url": model.url,
        "id": model.id,
        "voice_prompt": model.voice_prompt,
        "text_prompt": model.text_prompt,
    }


ROW = AdapterRow(
    name="server",
    what="a Moshi or PersonaPlex server, over its websocket",
    families=("moshi", "personaplex"),
    licence="the server's",
    path="pipelines.duplex.moshi.server.model:MoshiServer",
    abilities=("text_stream",),
    arguments=_arguments,
    remote=True,
    prompts=True,
    devices=("its server's",),
    tested="protocol fake",
    imports=("sphn",),
    extra="server",
)
