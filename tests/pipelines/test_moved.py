"""Old dotted names of users' files are told by one sentence with the new name."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
import re
from importlib.metadata import EntryPoint

import pytest

from pipelines import registry
from pipelines.bot.load import BotError, load_bot
from pipelines.duplex.session.engine import DuplexEngine
from pipelines.errors import ModelError, SpecError
from pipelines.marks import MarkList
from pipelines.moved import moved, new_name, told
from pipelines.process.engine import EngineError
from pipelines.process.process import ModelProcess

ESPEAK = "pipelines.cascade.engines.espeak:EspeakEngine"
SENTENCE = (
    "pipelines.cascade.engines.espeak:EspeakEngine is called "
    "pipelines.engines.tts.espeak:EspeakEngine now: change the name where it is used"
)


def test_every_new_name_is_a_module_of_today_that_has_not_moved() -> None:
    assert len(moved()) == 111
    for old, new in moved().items():
        assert importlib.util.find_spec(new), f"{old} → {new}"
        assert new not in moved(), f"{old} → {new} → {moved().get(new)}"


def test_a_name_keeps_its_object() -> None:
    assert new_name(ESPEAK) == "pipelines.engines.tts.espeak:EspeakEngine"
    assert new_name("pipelines.process") == "pipelines.process.process"
    assert new_name("pipelines.engines.tts.espeak:EspeakEngine") == ""
    assert new_name("somebody.elses.module:Thing") == ""


def test_the_first_old_name_in_a_text_is_told() -> None:
    assert told(ESPEAK) == SENTENCE
    assert told(None, "from pipelines.engines.tts import espeak", "no name") == ""
    line = "from pipelines.cascade.engines.espeak import EspeakEngine"
    assert told(line).startswith(
        "pipelines.cascade.engines.espeak is called pipelines.engines.tts.espeak now"
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (ESPEAK, "pipelines.engines.tts.espeak:EspeakEngine"),
        ("pipelines.process:ModelProcess", "pipelines.process.process:ModelProcess"),
        ("pipelines.click:build", "pipelines.click.build:build"),
        ("pipelines.capability:lacks", "pipelines.readiness.capability:lacks"),
    ],
)
def test_an_object_by_its_old_name_is_refused_with_the_new_one(old: str, new: str) -> None:
    with pytest.raises(SpecError, match=f"^{re.escape(old)} is called {re.escape(new)} now: "):
        registry.load_object(old)


def test_what_never_was_is_still_python_s_own_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        registry.load_object("pipelines.spec:Nothing")


def test_an_architecture_from_outside_that_imports_an_old_name_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    group = "duplex_lab.architectures"
    row = EntryPoint("mine", "pipelines.cascade.engine_rows:ROW", group)
    monkeypatch.setattr(registry, "entry_points", lambda group: [row])
    with pytest.raises(SpecError, match=r"^mine\.toml: pipelines.cascade.engine_rows:ROW is "):
        registry.architecture("mine", where="mine.toml")


def test_a_model_s_process_by_an_old_name_fails_with_the_new_one() -> None:
    async def start() -> None:
        async with ModelProcess("mine", ESPEAK, {}, marks=MarkList()):
            pass

    with pytest.raises(ModelError, match=re.escape(SENTENCE)):
        asyncio.run(start())
    with pytest.raises(EngineError, match=r"is called pipelines.duplex.scripted.model:Scripted"):
        DuplexEngine(adapter="pipelines.duplex.scripted:ScriptedDuplex").load()


@pytest.mark.parametrize(
    ("line", "told_of"),
    [
        ("from pipelines.cascade.engines.espeak import EspeakEngine",
         "pipelines.engines.tts.espeak"),
        ("from pipelines.examples.local_services import local_services",
         "pipelines.cascade.services"),
        ("from pipelines.process import ModelProcess", "pipelines.process.process"),
    ],
)  # fmt: skip
def test_a_bot_that_imports_an_old_name_is_told_with_its_line(
    line: str, told_of: str, tmp_path
) -> None:
    bot = tmp_path / "an_old_bot.py"
    bot.write_text(f"import asyncio\n\n{line}\n\n\nasync def bot(runner_args):\n    pass\n")
    with pytest.raises(BotError, match=rf"^an_old_bot\.py, line 3: .* called {told_of} now: "):
        load_bot(bot)


def test_a_module_that_lies_where_an_object_was_is_not_taken_for_it() -> None:
    importlib.import_module("pipelines.click.build")  # so the package has it as an attribute
    with pytest.raises(SpecError, match=r"^pipelines.click:build is called pipelines.click.build:"):
        registry.load_object("pipelines.click:build")
