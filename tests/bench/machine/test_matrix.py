"""The matrix of presets: every shipped one can be built here, or says exactly why not."""

import json
import subprocess
import sys

import pytest

from bench.cli.main import OLD
from bench.machine.matrix import row_of, rows
from pipelines.bot.load import load_bot
from pipelines.duplex.adapters import adapter_of
from pipelines.duplex.session.options import ModelOptions
from pipelines.errors import SpecError
from pipelines.hosted.build import make_service
from pipelines.hosted.services import SERVICES, services_of
from pipelines.readiness import capability
from pipelines.registry import ARCHITECTURES, REFUSED, architecture, load_object
from pipelines.spec import load_spec, preset_names

KEY = "sk-test-0123456789"


@pytest.fixture
def accounts(monkeypatch):
    """Every key is set, to something."""
    for service in SERVICES.values():
        for argument, variable in service.environment.items():
            url = argument.endswith("url")
            monkeypatch.setenv(variable, "wss://x.example/v1/realtime" if url else KEY)


def build_bot(spec):
    load_bot(spec.stages["bot"].path)


def build_hosted(spec):
    for stage, service in services_of(spec).items():
        make_service(service, spec.stages[stage], "You are a robot.")


def build_duplex(spec):
    adapter = adapter_of(spec.stages["model"]).path
    assert adapter.partition(":")[1]


def build_cascade(spec):
    from pipelines.cascade.provide import check

    check(spec)


BUILDERS = {
    "bot": build_bot,
    "hosted": build_hosted,
    "duplex": build_duplex,
    "cascade": build_cascade,
}


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_can_be_built_or_gives_its_exact_reason(name, accounts):
    spec, row = load_spec(name), row_of(name)
    assert row.parts, "the architecture names no parts"
    for part in row.parts:
        assert part.licence and part.devices and part.tested, part
    for reason in row.missing:
        assert reason.endswith((".", f"fetch {reason.rpartition(' ')[2]}")) or "fetch" in reason
        assert "\n" not in reason
    if row.available:
        how = architecture(spec.architecture)
        assert callable(load_object(how.build or how.converse))
        BUILDERS.get(spec.architecture, lambda _: None)(spec)
    else:
        known = (
            "not installed",
            "no server answers",
            "models fetch",
            "can't be built on",
            "is missing",
        )
        assert any(word in reason for reason in row.missing for word in known), row.missing


def test_an_architecture_names_its_parts_so_that_no_row_is_empty():
    assert [name for name, how in ARCHITECTURES.items() if not how.parts] == []


def test_a_preset_that_cannot_be_read_is_a_row_that_says_so(tmp_path):
    file = tmp_path / "bad.toml"
    file.write_text("architecture = 1\n", encoding="utf-8")
    row = row_of(str(file))
    assert not row.available
    assert "is unknown" in row.missing[0]


def test_what_is_refused_stands_in_the_matrix_with_its_pointer():
    last = {row.name: row for row in rows()[-len(REFUSED) :]}
    assert last.keys() == REFUSED.keys()
    assert all("docs/own-agent.md" in row.missing[0] for row in last.values())


@pytest.mark.parametrize("model", ["qwen3.5-omni-7b", "Qwen/Qwen3.5-Omni", "seamless-m4t-v2"])
def test_a_refused_model_is_reported_with_what_to_do_instead(model):
    with pytest.raises(SpecError, match=r"can't run here yet: .*own-agent"):
        adapter_of(ModelOptions(id=model))
    with pytest.raises(SpecError, match="can't run here yet"):
        architecture(model.partition("/")[2] or model, where="mine.toml")


def test_a_server_that_does_not_answer_is_a_reason():
    spec = load_spec("duplex-server")
    assert "no server answers at ws://localhost:8998" in " ".join(capability.lacks(spec))


def test_random_weights_are_said_to_be_made_by_a_run_until_they_are_there(tmp_path, monkeypatch):
    from pipelines.duplex.moshi.weights import files as weights
    from pipelines.weights.sizes import LM_NAMES

    monkeypatch.setattr(weights, "folder_of", lambda size, seed=0: tmp_path)
    spec = load_spec("duplex-tiny")
    assert capability.weights_word(capability.parts_of(spec)) == "made by a run"
    assert "random weights tiny bf16" in capability.builds_first(spec)
    (tmp_path / LM_NAMES["bf16"]).touch()
    assert capability.weights_word(capability.parts_of(spec)) == "here"


def test_the_matrix_comes_as_json_by_both_spellings():
    assert OLD["list"].startswith("bench.cli.inventory.presets:")
    lines = [sys.executable, "-m", "bench.cli.main"]
    for words in (["list", "presets", "--json"], ["presets", "list", "--json"]):
        done = subprocess.run([*lines, *words], capture_output=True, text=True, check=True)
        found = {row["name"]: row for row in json.loads(done.stdout)}
        assert found["cascade-scripted"]["available"] is True
        assert found["seamless-m4t"]["available"] is False
