"""Real runs that several tests look at: each is played once for all of them (`conftest`)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from bench.fixtures.library import Cue, Fixture, fixtures_root, load
from bench.runner.plan import Plan
from bench.runner.run import execute
from bench.runner.session import Beside
from bench.store import store
from bench.store.records import FAILED
from pipelines.hosted.doubles import double
from pipelines.spec import PRESETS, load_spec

KEY = "sk-test-0123456789"
BRIEF: dict[str, Any] = {"clicks": 3, "silence_s": 0.5}
"""Fields of a plan whose agents answer in one breath; users wait for three times that."""
SCRIPTED = "cascade-scripted"
CONVERSATION = "hello_thanks"
HOSTED = "fake-realtime"
"""Preset of a hosted service, played by a double on this machine."""


PLAYED = {"ok", "ruler_late"}
"""How a trial ends that was played: on a busy machine the harness may call itself too late, and
then leaves its own figures out; so do the tests."""


def quiet(_progress: object) -> None:
    """A watcher that looks away."""


def fixture(name: str) -> Fixture:
    """A fixture by its name."""
    return load(fixtures_root() / f"{name}.toml")


def two_turns() -> Fixture:
    """A conversation of two turns; the second waits for the answer to the first."""
    hello, thanks = fixture("greet_hello"), fixture("greet_thanks")
    second = replace(thanks.turns[0], cue=Cue("agent_end", 800))
    return replace(hello, name=CONVERSATION, turns=(hello.turns[0], second))


@dataclass(frozen=True, slots=True)
class Scripted:
    """A run whose right answers are known."""

    run: store.Run
    heard: Any
    """What the double of the hosted service has heard."""


def failures(run: store.Run) -> list[str]:
    """The trials that failed, warm-ups left out."""
    return [t.trial_id for t in run.trials if t.status in FAILED and not t.warmup]


@contextlib.contextmanager
def served(service: str) -> Iterator[Any]:
    """A double in a thread of its own; yields what it hears."""
    started, found, loop = threading.Event(), [], asyncio.new_event_loop()
    over = asyncio.Event()

    async def main() -> None:
        async with double(service) as heard:
            found.append(heard)
            started.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), daemon=True)
    thread.start()
    started.wait(10)
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join(10)
        loop.close()


def play_scripted(folder: Path) -> Scripted:
    """A scripted cascade in a conversation; a hosted service on its first turn."""
    with served("openai-realtime") as heard, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", KEY)
        text = (PRESETS / "hosted-openai-realtime.toml").read_text(encoding="utf-8")
        preset = folder / f"{HOSTED}.toml"
        preset.write_text(f'{text}url = "{heard.url}"\n', encoding="utf-8")
        specs = (load_spec(SCRIPTED), load_spec(str(preset)))
        fixtures = (fixture("greet_hello"), two_turns())
        own = {SCRIPTED: (CONVERSATION,), HOSTED: ("greet_hello",)}
        plan = Plan(specs, fixtures, 1, own=own, **BRIEF)
        failed = execute(plan, folder / "run", resume=False, watch=quiet, retries=4)
    run = store.read_run(folder / "run")
    assert failed == len(failures(run))
    return Scripted(run, heard)


@dataclass(frozen=True, slots=True)
class Engines:
    """A run of real engines."""

    run: store.Run
    seen: set[str]
    """Names of the frames that a tap beside the bot saw."""


EMBEDDED, BOT = "cascade-embedded", "bot-quickstart"
COMMAND = "cmd_bring_green_cup"
WARMUP, KILLED = f"{EMBEDDED}.{COMMAND}.warmup0", f"{EMBEDDED}.{COMMAND}.0"
HEALTHY = f"{EMBEDDED}.{COMMAND}_again.0"


def play_engines(folder: Path) -> Engines:
    """A cascade's two trials, in the first of which its recogniser's process is killed; between
    them one of the shipped example bot. A tap looks on.
    """
    tap = Path(__file__).with_name("tap_double.py")
    command = fixture(COMMAND)
    plan = Plan(
        (load_spec(EMBEDDED), load_spec(BOT)),
        (command, replace(command, name=f"{COMMAND}_again")),
        1,
        own={BOT: (COMMAND,)},
        clicks=3,
    )

    def watch(progress: Any) -> None:
        if progress.done == 0 and "·" in progress.text:
            threading.Timer(2.0, _kill_recogniser, [folder / "run"]).start()

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(["", str(tap.parent), *sys.path]))
        beside = Beside((f"{tap.stem}:tap",), {"seen": str(folder)})
        failed = execute(plan, folder / "run", resume=False, watch=watch, beside=beside)
    run = store.read_run(folder / "run")
    assert KILLED in failures(run) and failed == len(failures(run))
    return Engines(run, set((folder / f"{BOT}.seen").read_text(encoding="utf-8").split()))


def _kill_recogniser(folder: Path) -> None:
    """By the pid with which it started, before the warm-up."""
    marks = store.read_run(folder).marks(WARMUP)
    pid = next(m.value for m in marks if (m.event, m.text) == ("process_start", "pocketsphinx"))
    psutil.Process(int(pid or 0)).kill()
