"""Manifests: what may stand in one, and what is said of one that is wrong."""

import re
import tomllib

import pytest

from pipelines.models.catalogue import load_catalogue
from pipelines.models.fetching.fetch import fetch
from pipelines.models.ids import ModelFilesError, ModelId, parse_id
from pipelines.models.manifest import digest_of
from pipelines.models.paths import SHIPPED
from tests.hub_files import sha256

GOOD = """
name = "mine"
variant = "q4"
licence = "MIT"
repo = "me/mine"
[memory_mb]
cpu = 900
[[files]]
path = "model.bin"
"""


def test_a_manifest_says_what_is_known_and_no_more(manifest):
    model = manifest(GOOD)
    assert (model.id, model.source.kind, model.source.at) == ("mine@q4", "hub", "me/mine")
    assert (model.source.revision, model.source.fixed) == ("main", False)
    assert model.memory_mb == {"cpu": 900}
    assert (model.bytes, model.digest, model.pinned) == (None, "", False)
    assert manifest(revision="a" * 40).source.fixed


def test_the_digest_is_what_sha256sum_says():
    assert digest_of({"a": "1" * 64}) == "1" * 64
    lines = f"{'2' * 64}  a/b\n{'1' * 64}  c\n".encode()
    assert digest_of({"c": "1" * 64, "a/b": "2" * 64}) == sha256(lines)


BAD: dict[str, tuple[str | bytes, str]] = {
    "no TOML": ("name = ", "not valid TOML"),
    "no text": (b"\xff\xfe", "is not text in UTF-8"),
    "empty": ("", "the key 'name' is missing"),
    "a missing field": (GOOD.replace('licence = "MIT"\n', ""), "the key 'licence' is missing"),
    "an unknown field": (GOOD.replace("licence", "license"), "unknown key 'license' .*'licence'"),
    "a wrong type": (GOOD.replace('"q4"', "4"), "variant = 4 must be a text"),
    "a name with a slash": (GOOD.replace('"mine"', '"a/b"'), "name = 'a/b' must be letters"),
    "an empty variant": (GOOD.replace('"q4"', '""'), "variant = '' must be letters"),
    "a variant like a hash": (GOOD.replace('"q4"', '"sha256:0"'), "variant = 'sha256:0' must be"),
    "an empty licence": (GOOD.replace('"MIT"', '" "'), "licence is empty"),
    "a bad repository": (GOOD.replace("me/mine", "mine"), "repo = 'mine' must be owner/name"),
    "a repository that climbs": (GOOD.replace("me/mine", "a/.."), "must be owner/name"),
    "a bad revision": ('revision = "a b"\n' + GOOD, "revision = 'a b' must be a commit"),
    "two sources": ('url = "https://x.org/y"\n' + GOOD, "repo and url: a model comes from one"),
    "a file's address": (
        GOOD.replace('repo = "me/mine"', 'url = "file:///etc"'), "must be the https address"
    ),
    "a plain address without hashes": (
        GOOD.replace('repo = "me/mine"', 'url = "https://x.org/y"'), "model.bin has no sha256"
    ),
    "a revision of nothing": (
        GOOD.replace('repo = "me/mine"', 'revision = "v1"'), "revision is for models of a repo"
    ),
    "a bad package": (GOOD.replace('repo = "me/mine"', 'package = "a b"'), "package = 'a b' must"),
    "a wheel beside a repository": (
        GOOD + 'source = "package:a==1!b"\n', "repo and a file's source: a model comes from one"
    ),
    "a wheel's file without a hash": (
        GOOD.replace('repo = "me/mine"\n', "") + 'bytes = 1\nsource = "package:a==1!b"\n',
        "model.bin lacks sha256 or bytes",
    ),
    "a file of no wheel among others": (
        GOOD.replace('repo = "me/mine"\n', "") + 'source = "package:a==1!b"\n'
        '[[files]]\npath = "c"\n', "c names no source, and others do",
    ),
    "a source that is none": (
        GOOD.replace('repo = "me/mine"\n', "") + 'source = "a"\n', "must be package:NAME=="
    ),
    "a source in numbers": (GOOD + "source = 1\n", "source = 1 must be a text or a list of texts"),
    "a source of no file": (
        'source = "package:a==1!b"\n' + GOOD, "source, bytes and sha256 belong under the"
    ),
    "no files": (GOOD.split("[[files]]")[0], "give either file, or one"),
    "both ways of files": ('file = "a"\n' + GOOD, "give either file, or one"),
    "a hash of no file": (f'sha256 = "{"0" * 64}"\n' + GOOD, "belong under the"),
    "a short hash": (GOOD + 'sha256 = "12ab"\n', "sha256 = '12ab' is not valid: 64 of"),
    "a hash in capitals": (GOOD + f'sha256 = "{"A" * 64}"\n', "is not valid: 64 of"),
    "a negative size": (GOOD + "bytes = -1\n", "bytes = -1 is negative"),
    "an unknown key of a file": (GOOD + "size = 1\n", "unknown key 'size'"),
    "a file twice": (GOOD + '[[files]]\npath = "Model.bin"\n', "'Model.bin' are the same"),
    "a file that is a folder": (GOOD + '[[files]]\npath = "model.bin/a"\n', "can't be a file and"),
    "a main file of nowhere": ('main = "b"\n' + GOOD, "main = 'b' is not one of its files"),
    "an unknown device": (GOOD.replace("cpu", "tpu"), "unknown device 'tpu'; known: cpu, cuda"),
    "a size of nothing": ("about_mb = 0\n" + GOOD, "about_mb = 0 must be above 0"),
    "memory in words": (GOOD.replace("900", '"1 GB"'), "cpu = '1 GB' must be a whole number"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_a_bad_manifest_is_one_sentence_with_its_file(manifest, home, what):
    text, words = BAD[what]
    path = home / "manifests" / "bad.toml"
    path.parent.mkdir(parents=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ModelFilesError, match=words) as caught:
        load_catalogue()
    told = str(caught.value)
    assert str(path) in told and "\n" not in told and told.endswith((".", "model.bin'."))


@pytest.mark.parametrize(
    "path",
    ["../x", "a/../../x", "/etc/passwd", "~/x", "a//b", "./a", "", ".", "a\\b", "C:x", "a\nb",
     "a/", "x.part", "x.part/y"],
)  # fmt: skip
def test_a_path_that_leads_out_of_the_folder_is_refused(manifest, path):
    text = GOOD.replace('"model.bin"', '"' + path.replace("\\", "\\\\").replace("\n", "\\n") + '"')
    with pytest.raises(ModelFilesError, match=re.escape(f"path = {path!r}")):
        manifest(text)


@pytest.mark.parametrize("path", ["model.bin", "a/b/c.onnx.json", ".hidden", "a b.bin", "..a"])
def test_a_plain_path_is_taken(manifest, path):
    assert manifest(GOOD.replace("model.bin", path)).files[0].path == path


def test_a_manifest_that_cannot_be_read_is_a_sentence(manifest, home):
    (home / "manifests" / "folder.toml").mkdir(parents=True)
    with pytest.raises(ModelFilesError, match=r"folder.toml can't be read \(Is a directory\)"):
        load_catalogue()


def test_two_manifests_of_one_id_are_named_both(manifest, home):
    manifest(GOOD, where=home / "manifests" / "a.toml")
    manifest(GOOD, where=home / "manifests" / "b.toml")
    with pytest.raises(ModelFilesError, match=r"b\.toml and .*a\.toml are both of mine@q4"):
        load_catalogue()
    manifest(GOOD.replace('"mine"', '"Mine"'), where=home / "manifests" / "b.toml")
    with pytest.raises(ModelFilesError, match="are both of Mine@q4"):  # one folder to macOS
        load_catalogue()


def test_a_shipped_id_is_not_taken_over_by_a_users(manifest, home):
    manifest(name="creature-3m", variant="q8_0")
    with pytest.raises(ModelFilesError, match=r"tiny\.toml and .*are both of creature-3m@q8_0"):
        load_catalogue()


def test_a_users_manifest_is_found_in_the_folder_or_by_its_path(manifest, home, tmp_path):
    manifest(GOOD, where=home / "manifests" / "a.toml")
    elsewhere = tmp_path / "else.toml"
    manifest(GOOD.replace("mine", "other"), where=elsewhere)
    assert load_catalogue().find("mine").id == "mine@q4"
    assert load_catalogue([elsewhere]).find("other@q4").origin == elsewhere


# ids


def test_an_id_is_a_name_with_a_variant_or_a_hash():
    assert parse_id("a-1.b_C") == ModelId("a-1.b_C")
    assert parse_id("a@q4") == ModelId("a", "q4")
    assert parse_id(f"a@sha256:{'f' * 64}") == ModelId("a", sha256="f" * 64)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not a model id: write name@variant"),
        ("a b", "is not a model id"),
        ("@q4", "is not a model id"),
        ("-a", "is not a model id"),
        ("a@", "after the @ stands a variant"),
        ("a@b@c", "after the @ stands a variant"),
        ("a@../b", "after the @ stands a variant"),
        ("a@sha256:12", "64 of the characters 0-9 and a-f, and this has 2"),
        (f"a@sha256:{'F' * 64}", "in lower case"),
    ],
)
def test_a_bad_id_is_a_sentence(text, words):
    with pytest.raises(ModelFilesError, match=words):
        parse_id(text)


def test_an_unknown_model_names_a_near_one_and_an_unknown_variant_the_known(manifest, home):
    for variant in ("q4", "q8"):
        manifest(GOOD.replace('"q4"', f'"{variant}"'), where=home / "manifests" / f"{variant}.toml")
    catalogue = load_catalogue()
    with pytest.raises(ModelFilesError, match=r"no model 'mime' \(did you mean 'mine'\?\)"):
        catalogue.find("mime@q4")
    with pytest.raises(ModelFilesError, match=r"no variant 'q5'.*known: mine@q4, mine@q8"):
        catalogue.find("mine@q5")
    with pytest.raises(ModelFilesError, match=r"'mine' is one of several: mine@q4, mine@q8"):
        catalogue.find("mine")
    with pytest.raises(ModelFilesError, match=r"mine@q4 is sha256:unknown before it is fetched"):
        catalogue.find(f"mine@sha256:{'0' * 64}")


def test_a_hash_finds_the_variant_that_has_it_also_after_an_unpinned_fetch(hub, manifest, home):
    pinned = GOOD + f'sha256 = "{"1" * 64}"\n'
    manifest(pinned, where=home / "manifests" / "a.toml")
    model = manifest(variant="f16", name="mine", where=home / "manifests" / "b.toml")
    assert load_catalogue().find(f"mine@sha256:{'1' * 64}").id == "mine@q4"
    assert load_catalogue().find(f"mine@sha256:{'2' * 64}").id == "mine@f16"  # not known yet
    fetch(model)
    with pytest.raises(ModelFilesError, match=r"No variant of mine is sha256:2{64}: .*q4.*f16"):
        load_catalogue().find(f"mine@sha256:{'2' * 64}")


# what ships


def test_every_shipped_manifest_is_right_and_its_files_name_says_its_id():
    for path in SHIPPED.glob("manifests/*.toml"):
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        assert path.stem == f"{table['name']}-{table['variant']}"
    assert "creature-3m@q8_0" in load_catalogue().models


def test_shipped_models_are_fetched_from_known_owners_and_none_is_half_pinned():
    for model in load_catalogue().models.values():
        pinned = {file.pinned for file in model.files}
        assert len(pinned) == 1, f"{model.id} is pinned in part"
        if pinned == {True} and model.source.kind == "hub":
            assert model.source.fixed, f"{model.id}: pinned files of a branch that may move"
