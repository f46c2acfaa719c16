"""Weights: made whole, found by what a preset says, and refused in one sentence when harmed."""

import json
import struct
import subprocess
from collections import namedtuple
from typing import Any

import numpy as np
import pytest

from pipelines.duplex.moshi.mlx import MoshiMlx
from pipelines.duplex.moshi.weights import files as weights
from pipelines.duplex.moshi.weights import lm as weights_lm
from pipelines.duplex.session.options import ModelOptions
from pipelines.errors import LabError
from pipelines.installation import ROOT
from pipelines.process.engine import EngineError
from pipelines.weights import memory, safetensors
from pipelines.weights.error import WeightsError
from pipelines.weights.safetensors import Tensor
from pipelines.weights.sizes import LM_NAMES, MIMI_NAME, SIZES, TOKENIZER_NAME, Size

SMALL = Size("small", 256, 4, 1, 256, 4, 1, 64)


def load(folder):
    """Loads as an adapter does; what is tested here is refused before any library is needed."""
    found = weights.in_folder(folder, "bf16")
    options: dict[str, Any] = dict(found.options)
    MoshiMlx(**options).load()


def replace_by(path, data):
    path.unlink()  # a link to the file that all tests share
    path.write_bytes(data)


def test_an_error_of_weights_is_reported_by_the_command_line_and_by_a_childs_process():
    assert issubclass(WeightsError, LabError)
    assert issubclass(WeightsError, EngineError)


# making


def test_tiny_weights_say_what_they_are(tiny_weights):
    manifest = tiny_weights.manifest
    assert tiny_weights.synthetic
    assert set(manifest["files"]) >= {"config.json", MIMI_NAME, TOKENIZER_NAME, LM_NAMES["bf16"]}
    assert manifest["codec"]["parameters"] == 96_151_393
    assert manifest["codec"]["distinct_codes"] > 200
    assert weights.ensure("tiny", "f32") == weights.ensure("tiny", "bf16") == tiny_weights


def test_the_same_seed_gives_the_same_file_and_another_another(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        weights_lm.write_bf16(tmp_path / name, SMALL, seed, 60, print)
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b != c


def test_the_sizes_have_the_parameters_of_their_names():
    millions = {n: round(s.temporal_parameters / 1e6) for n, s in SIZES.items()}
    assert millions == {"tiny": 13, "100m": 103, "300m": 289, "1b": 1028, "7b": 6577}
    header = sum(np.prod(shape) for shape, _ in weights_lm.scales(SIZES["100m"]).values())
    assert SIZES["100m"].parameters == pytest.approx(header, rel=1e-3)


def test_bfloat16_is_rounded_to_the_nearest():
    # 1 + 2^-8 lies half-way between two bfloat16 and goes to the even one; 1 + 3·2^-9 goes up.
    bits = safetensors.to_bf16(np.array([1.0, -2.0, 1 + 2**-8, 1 + 3 * 2**-9], np.float32))
    assert bits.tolist() == [0x3F80, 0xC000, 0x3F80, 0x3F81]


def test_a_written_header_is_read(tmp_path):
    layout = {"a": Tensor("F32", (2, 3)), "b": Tensor("BF16", (4,))}
    data: list[tuple[str, np.ndarray]] = [
        ("a", np.ones((2, 3), np.float32)),
        ("b", np.zeros(4, np.uint16)),
    ]
    safetensors.write(tmp_path / "x", layout, data)
    assert safetensors.read_header(tmp_path / "x") == layout


@pytest.mark.parametrize(
    ("kept", "change", "words"),
    [
        ([1.0, float("nan")], {}, "the tensor b holds what is no number"),
        ([1.0, float("inf")], {}, "the tensor b holds what is no number"),
        ([1.0, 2.0], {"dtype": "I32"}, "the tensor b is of type I32, which is not read here"),
        ([1.0, 2.0], {"dtype": "F4"}, "the tensor b is of type F4, which is not read here"),
        ([1.0, 2.0], {"data_offsets": [4, 12]}, "the tensor b is damaged"),
        ([1.0, 2.0], {"data_offsets": [-8, 0]}, "the tensor b is damaged"),
        ([1.0, 2.0], {"data_offsets": [8, 12]}, "the tensor b is damaged"),
    ],
)
def test_a_tensor_that_is_not_what_it_says_is_named(tmp_path, kept, change, words):
    path, values = tmp_path / "x.safetensors", np.array(kept, np.float32)
    layout = {name: Tensor("F32", (2,)) for name in "ab"}
    safetensors.write(path, layout, [("a", np.zeros(2, np.float32)), ("b", values)])
    held = path.read_bytes()
    header = json.loads(held[8 : 8 + int.from_bytes(held[:8], "little")])
    header["b"] |= change
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + held[-16:])
    with pytest.raises(WeightsError, match=words):
        safetensors.Reader(path)("b", 2)


def test_an_unknown_size_lists_the_known_ones():
    with pytest.raises(WeightsError, match=r"'3b'.*tiny, 100m, 300m, 1b, 7b"):
        weights.find(ModelOptions("moshi-3b"))


def test_a_precision_that_is_not_made_is_reported():
    with pytest.raises(WeightsError, match="7b are made in q4, not in bf16"):
        weights.ensure("7b", "bf16")


def test_a_full_disk_is_reported_before_anything_is_made(monkeypatch, tmp_path):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(9e9, 8e9, 1e9))
    monkeypatch.setenv("DUPLEX_LAB_CACHE", str(tmp_path))
    with pytest.raises(LabError, match=r"7b q4 needs 5.* GB of disk .* 1.0 GB free"):
        weights.ensure("7b", "q4")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b'{"files": []}',
        b'{"files": {"config.json": {"bytes": 1}}}',
        b'{"tokenizer": {}}',
        b'{"codec": 3}',
    ],
)
def test_a_harmed_manifest_is_as_if_nothing_were_finished(tmp_path, text):
    assert weights.read_manifest(tmp_path) == {}
    (tmp_path / "manifest.json").write_bytes(text)
    assert weights.read_manifest(tmp_path) == {}
    assert weights._finished(tmp_path, "bf16") is None


def test_a_making_starts_over_on_a_harmed_manifest(moshi_mlx_python, tmp_path):
    (tmp_path / "manifest.json").write_text('{"files": {"a": 1}')
    code = (
        "import sys; from pathlib import Path; from pipelines.duplex.moshi.weights.make import *; "
        "folder = Path(sys.argv[1]); m = Manifest(folder); assert not m.has('a'); "
        "write_bytes(folder / 'a', b'x'); m.add('a', fact=1); "
        "m = Manifest(folder); assert m.has('a', 'fact') and not m.has('a', 'other')"
    )
    subprocess.run([moshi_mlx_python, "-c", code, str(tmp_path)], cwd=ROOT, check=True)
    assert weights.read_manifest(tmp_path)["files"]["a"]["bytes"] == 1


# finding


def test_a_users_folder_is_found_by_the_same_code(copied_weights):
    folder = copied_weights("manifest.json")
    found = weights.find(ModelOptions("moshi-mine", weights=str(folder)))
    assert found.lm == folder / "model.safetensors"
    assert not found.synthetic
    assert found.manifest == {}


@pytest.mark.parametrize("name", ["config.json", MIMI_NAME, TOKENIZER_NAME, "model.safetensors"])
def test_a_missing_file_is_named_with_its_fix(copied_weights, name):
    folder = copied_weights(name)
    with pytest.raises(WeightsError, match=f"{name}.*(restore|put it there)"):
        weights.find(ModelOptions("moshi-mine", weights=str(folder)))


def test_a_folder_without_a_description_is_moshis_if_its_shapes_are(
    copied_weights, tmp_path, monkeypatch
):
    folder = copied_weights("config.json", "manifest.json")
    monkeypatch.setenv("DUPLEX_LAB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(WeightsError, match=r"config.json is missing \(the description, which"):
        weights.in_folder(folder, "bf16")
    monkeypatch.setitem(SIZES, "7b", SIZES["tiny"])
    found = weights.in_folder(folder, "bf16")
    assert (found.lm, found.mimi) == (folder / "model.safetensors", folder / MIMI_NAME)
    table = weights.read_config(found.config)
    assert table["dim"] == 512 and "moshi_name" not in table
    assert weights.in_folder(folder, "bf16") == found


def test_another_precisions_file_is_not_taken(copied_weights):
    folder = copied_weights("model.q4.safetensors")
    with pytest.raises(WeightsError, match=r"model.q4.safetensors is missing"):
        weights.find(ModelOptions("moshi-mine", weights=str(folder), precision="q4"))
    (folder / "model.q4.safetensors").symlink_to(folder / "model.safetensors")
    found = weights.in_folder(folder, "q4")
    with pytest.raises(WeightsError, match="is a torch checkpoint, not weights in q4"):
        options: dict[str, Any] = dict(found.options)
        MoshiMlx(**options, precision="q4").load()


def test_neither_a_folder_nor_a_model_that_was_fetched(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("DUPLEX_LAB_MODELS", str(tmp_path))
    with pytest.raises(WeightsError, match=r"no file or folder someone/moshi, .*synthetic"):
        weights.find(ModelOptions("moshi-7b", weights="someone/moshi"))
    with pytest.raises(WeightsError, match=r"duplex-lab models fetch moshiko-mlx@q4; or say"):
        weights.find(ModelOptions("moshi-7b", weights="kyutai/moshiko-mlx-q4"))


# harmed files, through the adapter's own loading


@pytest.mark.parametrize("name", [MIMI_NAME, "model.safetensors"])
@pytest.mark.parametrize("keep", [0, 5, 3000, -1])
def test_a_truncated_safetensors_is_reported(copied_weights, name, keep):
    folder = copied_weights()
    with (folder / name).open("rb") as file:
        data = file.read(1_000_000)  # of far more: short of its tensors
    replace_by(folder / name, data[:keep])
    with pytest.raises(WeightsError, match=rf"{name} is (truncated|not a safetensors)"):
        load(folder)


def test_garbage_is_no_safetensors(copied_weights):
    folder = copied_weights()
    replace_by(folder / MIMI_NAME, struct.pack("<Q", 8) + b"{]garba!" + bytes(64))
    with pytest.raises(WeightsError, match="is not a safetensors file"):
        load(folder)


def test_weights_of_another_shape_are_reported_before_they_are_loaded(copied_weights):
    folder = copied_weights()
    table = json.loads((folder / "config.json").read_text()) | {"dim": 1024}
    replace_by(folder / "config.json", json.dumps(table).encode())
    with pytest.raises(WeightsError, match=r"text_emb.weight is 2001x512, and config.json asks"):
        load(folder)


def test_another_models_file_in_the_codecs_place(copied_weights):
    folder = copied_weights()
    (folder / MIMI_NAME).unlink()
    (folder / MIMI_NAME).symlink_to(folder / "model.safetensors")
    with pytest.raises(WeightsError, match=f"{MIMI_NAME} has no tensor encoder"):
        load(folder)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not JSON"),
        ("[1]", "holds no JSON table"),
        ('{"dim": 512}', "lacks 'num_heads'"),
    ],
)
def test_a_bad_config_is_reported(copied_weights, text, words):
    folder = copied_weights()
    replace_by(folder / "config.json", text.encode())
    with pytest.raises(WeightsError, match=words):
        load(folder)


def test_numbers_that_make_no_model_are_reported(copied_weights):
    folder = copied_weights()
    table = json.loads((folder / "config.json").read_text()) | {"num_layers": "four"}
    replace_by(folder / "config.json", json.dumps(table).encode())
    with pytest.raises(WeightsError, match="num_layers = 'four' makes no model"):
        load(folder)


def test_a_model_too_large_for_the_memory_is_refused_before_loading(tiny_weights, monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda: 0.9e9)
    with pytest.raises(WeightsError, match=r"needs 1\.\d GB of memory .* 0.4 GB free: close other"):
        load(tiny_weights.config.parent)


def test_a_containers_page_cache_is_free(tmp_path):
    assert memory._control_group_free(tmp_path) == float("inf")
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("900\n")
    (tmp_path / "memory.stat").write_text("anon 100\ninactive_anon 5\ninactive_file 700\n")
    assert memory._control_group_free(tmp_path) == 800
    (tmp_path / "memory.max").write_text("max\n")
    assert memory._control_group_free(tmp_path) == float("inf")


def test_the_machines_free_memory_is_a_sane_number():
    assert 1e8 < memory.free_bytes() < 1e14
