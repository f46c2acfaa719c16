"""``duplex-lab listen RUN``: a recogniser listens to the agent's audio, as it was heard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def listen_command(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    sentences: Annotated[
        Path | None,
        typer.Option(help="Sentences for its language model, one a line; default: the cascade's."),
    ] = None,
) -> None:
    """Have PocketSphinx listen to every answer: heard_success, agent_wer (metric 18).

    Its transcripts become marks in the run, and the metrics are computed again.
    """
    from bench.recorded.listener import Sphinx, listen
    from bench.store.store import read_run

    read_run(run)  # a folder without a run is reported before anything is loaded
    recogniser = Sphinx(sentences)
    _, rows = listen(run, recogniser, recogniser.described)
    heard = sum(row.metric == "agent_wer" and row.value is not None for row in rows)
    typer.echo(f"{heard} answers were transcribed and compared with the text that was meant.")
