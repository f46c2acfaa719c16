"""``duplex-lab listen RUN``: a recogniser listens to the agent's audio, as it was heard."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer

from bench.report.text.console import console
from bench.store.results import find_run
from pipelines.errors import LabError


def listen_command(
    run: Annotated[Path, typer.Argument(help="A run's folder, or latest.")],
    sentences: Annotated[
        Path | None,
        typer.Option(help="Sentences for its language model, one a line; default: the cascade's."),
    ] = None,
    voice: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PRESET=FOLDER",
            help="Recordings of a preset's voice whose words are known, NAME.wav and NAME.txt: how "
            "many words of it the recogniser itself mishears. Once for each preset.",
        ),
    ] = None,
) -> None:
    """Have PocketSphinx listen to every answer: heard_success, agent_wer (metric 18).

    Its transcripts become marks in the run, and the metrics are computed again. Presets are ranked
    only where the recogniser's own word errors on their voices are known and few.
    """
    from bench.recorded.listener import Sphinx, listen
    from bench.recorded.ranking import misheard, own_errors, told
    from bench.store.store import read_run

    run = find_run(run)
    found = read_run(run)  # a folder without a run is reported before anything is loaded
    voices = _voices(voice or (), {trial.preset for trial in found.trials})
    recogniser = Sphinx(sentences)
    own = {preset: own_errors(folder, recogniser) for preset, folder in voices.items()}
    _, rows = listen(run, recogniser, recogniser.described)
    heard = sum(row.metric == "agent_wer" and row.value is not None for row in rows)
    say = console().say
    say(f"{heard} answers were transcribed and compared with the text that was meant.")
    for line in told(misheard(rows), own):
        say(line)
    say(f"The table: duplex-lab show {run}")


def _voices(given: Collection[str], presets: Collection[str]) -> dict[str, Path]:
    found = {}
    for text in given:
        preset, equals, folder = text.partition("=")
        if not equals or not Path(folder).is_dir():
            raise LabError(f"--voice {text}: PRESET=FOLDER is needed, with a folder that exists.")
        if preset not in presets:
            raise LabError(
                f"--voice {text}: the run has no preset {preset!r}; it has "
                f"{', '.join(sorted(presets))}."
            )
        found[preset] = Path(folder)
    return found
