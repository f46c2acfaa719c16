"""Options of the memory: the table ``[memory]`` of a server's configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pipelines.guards.ranges import Range, Share
from pipelines.server.config.option import Help


@dataclass(frozen=True, slots=True)
class MemoryOptions:
    """What is remembered of users, for how long, and when it comes back."""

    folder: Annotated[
        Path | None,
        Help(
            "Remember what users say, in a database each in this folder. Nothing is otherwise.",
            "--memory",
            "FOLDER",
        ),
    ] = None
    days: Annotated[
        int,
        Range(1, 36_500, "days"),
        Help("Forget what is older; a user may have a number of their own."),
    ] = 90
    relevance: Annotated[Share, Help("Least relevance of a memory that is injected.")] = 0.7
    importance: Annotated[Share, Help("Least importance of a memory that is injected.")] = 0.7
    candidates: Annotated[
        int, Range(1, 100, "memories"), Help("Memories that are looked at for one utterance.")
    ] = 15
    most_injected: Annotated[
        int, Range(1, 15, "memories"), Help("Memories that one utterance brings back at most.")
    ] = 3
    wait_ms: Annotated[
        float,
        Range(1, 1_000, "ms"),
        Help("Longest time for which an answer waits for memories; then it goes on without."),
    ] = 50.0
    inject: Annotated[
        Literal["auto", "say", "condition", "context", "off"],
        Help(
            "How memories reach the model: as forced text, as the vector that is added to its "
            "input, as a message for the language model; auto: the first that it can; off: the "
            "client alone is told."
        ),
    ] = "auto"
    unfit: Annotated[
        Path | None,
        Help("TOML file with rows of what must not be kept, before our own.", metavar="FILE"),
    ] = None
    listener: Annotated[
        str,
        Help(
            "Recogniser that writes down, for the memory alone, what users of duplex models say; "
            "'none': nothing.",
            metavar="ENGINE",
        ),
    ] = "pocketsphinx"
    listener_model: Annotated[
        str, Help("Its model, where it needs one (see 'engines').", metavar="ID")
    ] = ""
    listener_lm: Annotated[
        Literal["domain", "default"],
        Help("PocketSphinx: words of the fixtures' room, or general English."),
    ] = "default"
    local_user: Annotated[
        str,
        Help(
            "Whose memory it is on a server that asks for no token; without it nothing is "
            "remembered there.",
            metavar="NAME",
        ),
    ] = ""
