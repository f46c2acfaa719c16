import pytest

from pipelines.errors import SpecError
from pipelines.registry import ARCHITECTURES, architecture, load_object, stage_options


def test_every_row_of_the_table_leads_to_something():
    for row in ARCHITECTURES.values():
        for path in (row.build, row.prepare, row.models):
            assert not path or callable(load_object(path))


def test_an_unknown_architecture_names_the_known_ones():
    with pytest.raises(SpecError, match=r"mine\.toml: architecture = 'duplx' is unknown; known: "):
        architecture("duplx", where="mine.toml")


def test_what_is_not_installed_is_named_with_what_to_do():
    with pytest.raises(SpecError, match=r"needs the package 'moshi_of_nowhere'.*make setup"):
        load_object("moshi_of_nowhere.engine:Engine")


def test_the_cascades_stages_are_read_without_pipecat():
    assert list(stage_options("cascade")) == ["turns", "stt", "llm", "tts", "watch"]
