"""The options of ``duplex-lab run``, each with its help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_PRESETS = "cascade-embedded,cascade-stock"

Presets = Annotated[
    str,
    typer.Option(
        help="Presets, by commas: names (see 'presets list') or .toml files.",
        show_default=DEFAULT_PRESETS,
    ),
]
Fixtures = Annotated[
    str,
    typer.Option(
        help="Fixtures, by commas: names, patterns, kinds or tags (quick, clean, all). "
        "duplex:session_150s is played only to presets of the kind duplex; after a preset's "
        "name and a colon stands what that preset plays, and nothing else."
    ),
]
Repeats = Annotated[int, typer.Option(min=1, help="Number of times that each fixture is played.")]
Retries = Annotated[
    int,
    typer.Option(
        min=0,
        help="Number of times that a fixture is played again to a preset because the measuring "
        "side was late (a shared or busy machine); the late trial stays, not valid. 0: never.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(help="Folder of the run; default results/<time>-<preset>."),
]
Resume = Annotated[
    Path | None,
    typer.Option(
        help="Resume the run in this folder, with its own presets and fixtures; trials "
        "that failed count as done, those with a late measuring side get --retries."
    ),
]
Bot = Annotated[
    Path | None,
    typer.Option(help="Your own Pipecat bot, a .py file with async def bot(runner_args)."),
]
Agent = Annotated[
    list[str] | None,
    typer.Option(
        help="Address of an agent that runs elsewhere, ws://127.0.0.1:8765/talk for one; once "
        "for each agent, each with its --line."
    ),
]
Line = Annotated[
    list[str] | None,
    typer.Option(
        help="Protocol that the agent speaks: pcm-websocket, stream, openai-realtime, "
        "pipecat, twilio, moshi; 'duplex-lab lines' explains them."
    ),
]
HeaderFromEnv = Annotated[
    list[str] | None,
    typer.Option(
        help="Header of the request that opens the connection, its value from an environment "
        "variable: Authorization=OPENAI_API_KEY. For all --agent."
    ),
]
Network = Annotated[
    str,
    typer.Option(
        help="Networks to simulate between user and agent, by commas: each preset is played "
        "over each of them, under a name of its own; 'none' is the preset as it is. "
        "'duplex-lab networks' lists them.",
        show_default="none",
    ),
]
MaxAudioMinutes = Annotated[
    float,
    typer.Option(
        min=0.0,
        help="Stop before a trial that would bring the audio exchanged with the agents (the "
        "user's and theirs, warm-ups too) over so many minutes, in this and earlier sessions "
        "of the run: for agents that are paid for. 0: never.",
    ),
]
WaitAfterAnswer = Annotated[
    float,
    typer.Option(
        min=0.0,
        max=60.0,
        help="Least silence, in s, after which an agent's answer is taken to be over: for one "
        "that works without a sound between two parts of its answer, and whose marks don't "
        "say so.",
        show_default="1.5",
    ),
]
NoSpin = Annotated[
    bool,
    typer.Option(
        "--no-spin",
        help="Let the cores doze, even if this machine's timers wake late; else a process of "
        "the idle class keeps each core awake while the run lasts, and the run says so.",
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Print how long it will take and which quantiles n can bound; load bots, models "
        "and keys as the run would, and name what would stop it. Nothing is played or written.",
    ),
]
