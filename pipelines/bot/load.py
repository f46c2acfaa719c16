"""Imports a user's bot file: once for a process, as Pipecat's runner does.

A problem with the file is one sentence that names it, and the line where there is one.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from pipelines.bot.errors_logged import errors_logged
from pipelines.bot.mend import mend_of
from pipelines.errors import LabError
from pipelines.moved import told

Bot = Callable[[Any], Awaitable[Any]]
"""``async def bot(runner_args)``."""


class BotError(LabError):
    """The user's bot can't be run; one sentence says why."""


_loaded: dict[Path, Bot] = {}


def load_bot(path: Path) -> Bot:
    """The file's function ``bot``; the file is run once in this process.

    Raises:
        BotError: there is no such file, or it can't be imported, or has no such function.
    """
    if path not in _loaded:
        _loaded[path] = _function(_module(path), path)
    return _loaded[path]


def require_file(path: Path) -> None:
    """Refuses a path that is no file, without running anything.

    Raises:
        BotError: it does not exist, or is a folder.
    """
    if path.is_dir():
        raise BotError(
            f"{path} is a folder: give the Python file that holds async def bot(runner_args)."
        )
    if not path.is_file():
        raise BotError(
            f'There is no bot {path}: bot = "…" is a path relative to the preset\'s file, '
            "or to the folder where duplex-lab was called for --bot."
        )


def _module(path: Path) -> Any:
    require_file(path)
    try:
        code = compile(path.read_bytes(), str(path), "exec")
    except SyntaxError as error:
        raise BotError(
            f"{path.name}, line {error.lineno}: {error.msg}: correct the file."
        ) from None
    except ValueError as error:  # null bytes
        raise BotError(f"{path.name} is not a Python file: {error}.") from None
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))  # modules that the bot imports lie beside it
    # Under its own name where that is free, so that processes it starts can import it.
    free = path.stem not in sys.modules and path.stem not in sys.stdlib_module_names
    name = path.stem if free and path.stem.isidentifier() else "duplex_lab_bot"
    spec = importlib.util.spec_from_loader(name, loader=None, origin=str(path))
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    module.__file__ = str(path)
    sys.modules[name] = module
    try:
        with errors_logged() as logged:
            exec(code, module.__dict__)
    except SystemExit:
        raise BotError(
            f"{path.name} ends the program while it is imported: put what starts it under "
            "if __name__ == '__main__'."
        ) from None
    except Exception as error:
        where = f"{path.name}{line_of(error, path)}"
        if isinstance(error, ImportError) and (new := told(*_lines(error, path), error.name)):
            raise BotError(f"{where}: {new}.") from None
        mend = mend_of(error, logged.texts) or f"can't be imported: {kind_and_text(error)}"
        raise BotError(f"{where} {mend}.") from None
    return module


def _lines(error: BaseException, path: Path) -> list[str]:
    """The text of the bot's own lines in the error's traceback, the last first."""
    frames = traceback.extract_tb(error.__traceback__)
    return [frame.line or "" for frame in reversed(frames) if frame.filename == str(path)]


def _function(module: Any, path: Path) -> Bot:
    found = getattr(module, "bot", None)
    if found is None:
        raise BotError(
            f"{path.name} has no function 'bot': it needs async def bot(runner_args), as Pipecat's "
            "runner does."
        )
    if not inspect.iscoroutinefunction(found):
        raise BotError(f"{path.name}: 'bot' must be async def bot(runner_args).")
    bot: Bot = found
    try:
        inspect.signature(found).bind(None)
    except TypeError:
        raise BotError(f"{path.name}: bot must take one argument, runner_args.") from None
    return bot


def line_of(error: BaseException, path: Path) -> str:
    """``, line 12``, the last line of the bot's own file in the error's traceback; or empty."""
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename == str(path)
    ]
    return f", line {lines[-1]}" if lines else ""


def kind_and_text(error: BaseException) -> str:
    """``ValueError: no such model``; Pipecat's long errors cut to their first line."""
    text = next(iter(str(error).strip().splitlines()), "").rstrip(".")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
