"""Language models of an Ollama server: no child process, Pipecat's service talks to the server."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.engines.row import FUNCTIONS, EngineRow


@dataclass(frozen=True, slots=True)
class OllamaSettings:
    """``settings`` of an Ollama server's model."""

    keep_alive: str = "30m"
    """Time for which the server keeps the model loaded after its last answer, as Ollama writes it:
    its own default, 5m, makes the first answer after a pause wait for the loading. -1: for ever."""


ROW = EngineRow(
    stage="llm",
    name="ollama",
    what="an Ollama server, through Pipecat",
    licence="MIT",
    service="pipelines.cascade.llm_server:make",
    ready="pipelines.cascade.llm_server:load_ollama",
    settings=OllamaSettings,
    lacks="pipelines.engines.servers:lacks",
    devices=("its server's",),
    capabilities=("streaming", "a server's own models", FUNCTIONS),
    tested="protocol double",
    untested="no real server yet",
)
