"""From what a preset says to the files on disk."""

import json
import re

import pytest

from pipelines import models
from pipelines.models.find import MissingModelError
from pipelines.models.ids import ModelFilesError
from pipelines.models.lockfile import Lock, LockedFile, write_lock
from pipelines.models.needed import Missing, Need, missing_of, needed_by, require
from pipelines.models.paths import SHIPPED, model_folder
from pipelines.spec import load_spec

MOSHI = "moshiko-mlx@q4"
LINE = "duplex-lab models fetch moshiko-mlx@q4"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("DUPLEX_LAB_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    return tmp_path / "models"


def put(model_id, files):
    """Lays a fetched model down, without fetching."""
    for path, data in files.items():
        at = model_folder(model_id) / path
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_bytes(data)
    locked = {p: LockedFile(len(d), "0" * 64, "size") for p, d in files.items()}
    write_lock(model_id, Lock("kyutai/moshiko-mlx-q4", "main", "c" * 40, "", locked))


MOSHI_FILES = {
    "model.q4.safetensors": b"1234",
    "tokenizer-e351c8d8-checkpoint125.safetensors": b"12",
    "tokenizer_spm_32k_3.model": b"1",
}


def test_a_shipped_model_is_found_by_name_by_variant_and_by_hash():
    gguf = SHIPPED / "creature" / "creature-3m-q8_0.gguf"
    sha256 = "02e266f205f0f25b18722a0535844bbefaf4fe77a2bc80d0873c2cc5eb5b5379"
    for wanted in ("creature-3m", "creature-3m@q8_0", f"creature-3m@sha256:{sha256}"):
        assert models.resolve(wanted) == gguf


def test_a_path_is_taken_as_it_is(tmp_path, monkeypatch):
    (tmp_path / "some.gguf").touch()
    assert models.resolve(tmp_path / "some.gguf") == tmp_path / "some.gguf"
    monkeypatch.chdir(tmp_path)
    assert models.resolve("some.gguf").name == "some.gguf"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert models.resolve("~/some.gguf") == tmp_path / "some.gguf"


def test_a_file_in_the_working_folder_does_not_hide_a_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "creature-3m").mkdir()
    assert models.resolve("creature-3m").suffix == ".gguf"


def test_a_path_that_is_not_there_is_a_sentence():
    with pytest.raises(ModelFilesError, match="no file or folder /no/such"):
        models.resolve("/no/such")


def test_a_missing_model_carries_the_line_that_fetches_it():
    with pytest.raises(MissingModelError, match=f"is not on this machine; .*{LINE}") as caught:
        models.resolve(MOSHI)
    assert caught.value.model_id == MOSHI


def test_a_fetched_model_is_its_folder_and_its_repository_means_it_too():
    put(MOSHI, MOSHI_FILES)
    assert models.resolve(MOSHI) == model_folder(MOSHI)
    assert models.resolve("kyutai/moshiko-mlx-q4") == model_folder(MOSHI)


@pytest.mark.parametrize("data", [None, b"123"])
def test_a_model_that_has_lost_a_file_or_a_byte_is_not_there(data):
    put(MOSHI, MOSHI_FILES)
    at = model_folder(MOSHI) / "model.q4.safetensors"
    at.unlink()
    if data:
        at.write_bytes(data)
    told = "3 bytes instead of 4" if data else "is not in"
    with pytest.raises(MissingModelError, match=f"not whole .*{told}.*{re.escape(LINE)}"):
        models.resolve(MOSHI)


def test_a_repository_in_the_hubs_own_cache_is_found(tmp_path):
    repo = tmp_path / "hf" / "hub" / "models--someone--moshi"
    (repo / "snapshots" / "abc").mkdir(parents=True)
    with pytest.raises(ModelFilesError, match="no file or folder someone/moshi"):
        models.resolve("someone/moshi")
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text("abc\n")
    assert models.resolve("someone/moshi") == repo / "snapshots" / "abc"


def test_a_preset_that_brings_its_models_needs_nothing():
    for name in ("cascade-embedded", "duplex-tiny", "duplex-server", "click", "cascade-scripted"):
        assert missing_of(load_spec(name)) == ()
    assert needed_by(load_spec("cascade-embedded")) == (Need("llm", "creature-3m"),)


def test_a_preset_says_what_is_missing_until_it_is_there():
    spec = load_spec("duplex-moshiko-q4")
    (missing,) = missing_of(spec)
    why = f"The model {MOSHI} is not on this machine; fetch it: {LINE}"
    assert missing == Missing(spec.name, "model", "kyutai/moshiko-mlx-q4", MOSHI, why)
    with pytest.raises(ModelFilesError, match=f"{MOSHI} is needed by duplex-moshiko-q4 .*{LINE}$"):
        require([load_spec("click"), spec, spec])
    put(MOSHI, MOSHI_FILES)
    assert missing_of(spec) == ()
    require([spec])


def test_a_damaged_lock_is_a_sentence_that_says_what_to_do(folder):
    put(MOSHI, MOSHI_FILES)
    lock = folder / "locks" / f"{MOSHI}.json"
    for text in ("", "[]", json.dumps({"files": {"a": {"bytes": 1}}}), '{"files": {}}'):
        lock.write_text(text)
        with pytest.raises(ModelFilesError, match=r"is damaged, .*fetch moshiko-mlx@q4"):
            models.resolve(MOSHI)
