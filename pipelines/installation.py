"""Where the packages and what ships with them lie: in a checkout, or installed from a wheel."""

from __future__ import annotations

import os
from pathlib import Path

from pipelines.cache import cache_folder

ROOT = Path(__file__).parents[1]
"""The folder that holds the packages: of a checkout, or ``site-packages``."""
FIXTURES_VARIABLE = "DUPLEX_LAB_FIXTURES"
"""The environment's variable with the user's own folder of fixtures."""


def is_checkout() -> bool:
    """Whether the packages lie in a checkout (and not among everybody's, as a wheel puts them)."""
    return (ROOT / "pyproject.toml").is_file() and (ROOT / "fixtures").is_dir()


def shipped_fixtures() -> Path:
    """The folder of the fixtures that ship with the lab; a wheel carries them in this package."""
    return ROOT / "fixtures" if is_checkout() else Path(__file__).with_name("fixtures")


def engine_path() -> Path:
    """The folder from which an engine environment's interpreter imports `pipelines`.

    Installed, the packages lie among all others of their environment; on the path these would hide
    the engine's own. So it is a folder in the cache that holds a link to `pipelines` and no more.
    """
    if is_checkout():
        return ROOT
    package = Path(__file__).parent
    folder = cache_folder() / "installed" / str(package).strip(os.sep).replace(os.sep, "-")
    link = folder / package.name
    if not (link.is_symlink() and link.samefile(package)):
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{package.name}.{os.getpid()}"
        temporary.symlink_to(package, target_is_directory=True)
        temporary.replace(link)
    return folder
