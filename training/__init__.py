"""Making our own small models: commands for their authors, which need the extra ``training``."""

import sys
from types import TracebackType

EXTRA = frozenset({"torch", "transformers", "tokenizers", "gguf"})
"""Packages of the extra."""


def _told(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A package of the extra that is missing is one sentence; anything else is Python's."""
    if isinstance(error, ModuleNotFoundError) and error.name in EXTRA:
        print(
            f"{error.name} is not installed: uv pip install --python .venv/bin/python "
            "-e '.[training]' installs what the training needs.",
            file=sys.stderr,
        )
    else:
        sys.__excepthook__(kind, error, trace)


if sys.argv[:1] == ["-m"]:  # run as a command: python -m training.…
    sys.excepthook = _told
