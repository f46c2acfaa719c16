"""``duplex-lab listen RUN``: a recogniser listens to the agent's audio, as it was heard."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.report.text.console import console
from bench.report.text.escape import visible
from bench.store.results import find_run
from pipelines.errors import LabError

if TYPE_CHECKING:
    from bench.recorded.ranking import Recognise
    from bench.stats.word_errors import WordErrors
    from bench.store.store import Run


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
            help="For a voice that can't be asked to speak here: recordings of it whose words are "
            "known, NAME.wav and NAME.txt. Once for each preset.",
        ),
    ] = None,
) -> None:
    """Have PocketSphinx listen to every answer: heard_success, agent_wer (metric 18).

    Its transcripts become marks in the run, and the metrics are computed again. How many words it
    mishears by itself is found out by having each cascade's own voice say again what was meant;
    presets are ranked only where that is known and rare.
    """
    from bench.recorded.listener import Sphinx, listen
    from bench.recorded.ranking import misheard, own_errors, told
    from bench.store.store import read_run

    run = find_run(run)
    found = read_run(run)  # a folder without a run is reported before anything is loaded
    voices = _voices(voice or (), {trial.preset for trial in found.trials})
    recogniser = Sphinx(sentences)
    own = {preset: own_errors(folder, recogniser) for preset, folder in voices.items()}
    found, rows = listen(run, recogniser, recogniser.described)
    heard = sum(row.metric == "agent_wer" and row.value is not None for row in rows)
    say = console().say
    say(f"{heard} answers were transcribed and compared with the text that was meant.")
    counts = misheard(rows)
    for preset in counts:
        if preset not in own and (errors := _own_voice(found, preset, recogniser)) is not None:
            own[preset] = errors
    for line in told(counts, own):
        say(line)
    say(f"The table: duplex-lab show {run}")


def _own_voice(run: Run, preset: str, recognise: Recognise) -> WordErrors | None:
    """The recogniser's errors on a preset's own voice; None, with a sentence, where it is mute."""
    from bench.recorded.own_voice import errors_on, meant, voice_of

    try:
        voice, texts = voice_of(run.info["presets"].get(preset, {})), meant(run, preset)
        if voice is None or not texts:
            return None
        return errors_on(voice, texts, recognise)
    except LabError as error:
        said = visible(f"{preset}: its voice can't be asked to speak here: {error}")
        typer.echo(f"duplex-lab: {said}", err=True)
        return None


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
