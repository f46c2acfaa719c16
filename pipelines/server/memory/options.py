"""Options of the memory: the table ``[memory]`` of a server's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pipelines.guards.ranges import Range, Share


@dataclass(frozen=True, slots=True)
class MemoryOptions:
    """What is kept of users, for how long, and when it comes back."""

    folder: str = ""
    """Folder of the databases, one a user; empty: nothing is remembered."""
    keep_days: Annotated[int, Range(1, 36_500, "days")] = 90
    """Days after which what was said is deleted; a user may have a number of their own."""
    relevance: Share = 0.7
    """Least relevance of a memory that is injected."""
    importance: Share = 0.7
    """Least importance of a memory that is injected."""
    candidates: Annotated[int, Range(1, 100)] = 15
    """Memories that are looked at for one utterance."""
    most_injected: Annotated[int, Range(1, 15)] = 3
    """Memories that one utterance brings back at most."""
    wait_ms: Annotated[float, Range(1, 1_000, "ms")] = 50.0
    """Longest time for which an answer waits for memories, ms; then it goes on without them."""
    inject: Literal["auto", "say", "condition", "context", "off"] = "auto"
    """How memories reach the model. say: as forced text. condition: as the vector that is added to
    the model's input. context: as a message for the language model. auto: the first that it can.
    off: they are kept and found, and told to the client alone."""
    filters: str = ""
    """TOML file with rows of what must not be kept, beside our own."""
    vectors: str = ""
    """Embeddings beside words: wordllama, or ollama:MODEL; empty: words alone."""
    ollama_url: str = "http://127.0.0.1:11434"
    """Address of the Ollama server that makes embeddings."""
    listener: str = "pocketsphinx"
    """Recogniser that writes down what users of duplex models say; empty: none."""
    local_user: str = ""
    """Whose memory it is where no token is asked for; empty: nobody's, and nothing is kept then."""
