"""What a fetch is held against: pins, revisions, what came first; verifying and removing."""

from pathlib import Path

import pytest

from pipelines.models.fetching.fetch import fetch
from pipelines.models.fetching.hub_double import COMMIT, Repository
from pipelines.models.fetching.keep import remove, verify
from pipelines.models.find import MissingModelError, resolve
from pipelines.models.ids import ModelFilesError
from pipelines.models.lockfile import read_lock
from tests.hub_files import BIG, SMALL, half_fetched, left, refused, sha256

HALF = len(BIG) // 2
WHOLE = ["locks/tiny@f16.json", "tiny@f16/config.json", "tiny@f16/model.bin"]
ROOT = Path(__file__).parents[3]


def pins(big=BIG, small=SMALL):
    return {
        "model.bin": f'bytes = {len(big)}\nsha256 = "{sha256(big)}"',
        "config.json": f'bytes = {len(small)}\nsha256 = "{sha256(small)}"',
    }


def test_a_pinned_model_is_held_against_its_manifest(hub, home, manifest):
    fetch(manifest(files=pins()))
    assert {f.checked_by for f in read_lock("tiny@f16").files.values()} == {"manifest"}


@pytest.mark.parametrize("path", ["model.bin", "config.json"])
def test_another_file_than_the_pinned_one_is_not_taken(hub, home, manifest, path):
    hub.repositories["lab/tiny"].files[path] = b"!" * len({"model.bin": BIG}.get(path, SMALL))
    refused(manifest(files=pins()), f"{path} (is not what it was|arrived damaged)")
    assert not (home / "tiny@f16").exists()
    assert path not in [Path(p).name for p in left(home)]


def test_another_size_than_the_pinned_one_is_reported_before_fetching(hub, home, manifest):
    refused(manifest(files=pins(big=BIG + b"!")), "bytes is 204801 by its manifest and 204800 by")
    assert left(home) == []


def test_what_was_fetched_first_is_held_against_every_later_fetch(hub, home, manifest):
    model = manifest()
    fetch(model)
    assert remove(model) == len(BIG) + len(SMALL)
    repository = hub.repositories["lab/tiny"]
    repository.files["model.bin"] = BIG[::-1]  # under the same commit: the hub lies
    text = refused(model, "model.bin is not what it was: .*by its first fetch and .*by its server")
    assert sha256(BIG) in text and sha256(BIG[::-1]) in text
    assert fetch(model, update=True)
    assert read_lock("tiny@f16").files["model.bin"].sha256 == sha256(BIG[::-1])


def test_a_branch_that_moved_on_is_not_followed_until_asked(hub, home, manifest):
    model = manifest()
    fetch(model)
    remove(model)
    repository = hub.repositories["lab/tiny"]
    repository.commit = "d" * 40
    refused(model, f"has no revision '{COMMIT}'")  # it asked for the commit it knows
    repository.revisions.add(COMMIT)
    assert fetch(model)
    assert fetch(model, update=True)
    assert read_lock("tiny@f16").revision == "d" * 40


def test_a_manifest_of_another_revision_starts_over(hub, manifest):
    fetch(manifest())
    repository = hub.repositories["lab/tiny"]
    repository.revisions.add("v2")
    repository.files["config.json"] = b"{}"
    hub.asked.clear()
    model = manifest(revision="v2")
    with pytest.raises(MissingModelError, match=r"not whole \(it is of lab/tiny main, its"):
        resolve("tiny")
    fetch(model)
    assert resolve("tiny").is_dir()
    lock = read_lock("tiny@f16")
    assert (lock.asked_for, lock.files["config.json"].bytes) == ("v2", 2)
    assert hub.ranges("model.bin") == []  # it is the same, by its hash


def test_the_hash_in_an_id_is_held_against_what_comes(hub, home, manifest):
    hub.repositories["lab/tiny"].files = {"model.bin": BIG}
    model = manifest(files={"model.bin": ""})
    refused(model, f"is sha256:{sha256(BIG)}, and sha256:0+ was asked for", sha256="0" * 64)
    assert not (home / "tiny@f16").exists()
    assert fetch(model, sha256=sha256(BIG))
    refused(model, "was asked for", sha256="0" * 64)


def test_a_plain_address_needs_no_hub(hub, home, manifest):
    model = manifest(repo=None, url=f"{hub.url}/plain/lab/tiny", files=pins())
    fetch(model)
    assert left(home) == WHOLE
    assert not any(hub.authorised)
    assert read_lock("tiny@f16").revision == ""


def test_a_plain_address_without_the_file_is_a_sentence(hub, home, manifest):
    files = {"no.bin": f'sha256 = "{"0" * 64}"'}
    refused(manifest(repo=None, url=f"{hub.url}/plain/lab/tiny", files=files), "no 'no.bin' at")
    assert not (home / "tiny@f16").exists()


# keeping


def test_a_lost_file_alone_is_fetched_again(hub, home, manifest):
    model = manifest()
    fetch(model)
    (home / "tiny@f16" / "config.json").unlink()
    (home / "tiny@f16" / "stray.txt").touch()
    hub.asked.clear()
    fetch(model)
    assert hub.ranges("model.bin") == [] and hub.ranges("config.json") == [""]
    assert left(home) == WHOLE


def test_one_flipped_bit_is_found_by_verify_and_fixed_by_remove_and_fetch(hub, home, manifest):
    model = manifest()
    fetch(model)
    assert verify(model) == []
    path = home / "tiny@f16" / "model.bin"
    path.write_bytes(bytes([BIG[0] ^ 1]) + BIG[1:])
    (told,) = verify(model)
    assert told.startswith("tiny@f16: model.bin is damaged (its SHA-256 is ")
    assert sha256(BIG) in told and told.endswith("fetch it again.")
    assert fetch(model, update=True)
    assert verify(model) == []


def test_verifying_what_is_not_here_is_a_sentence(home, manifest):
    with pytest.raises(ModelFilesError, match=r"is not here.*duplex-lab models fetch tiny@f16"):
        verify(manifest())


def test_removing_what_is_not_here_is_a_sentence(home, manifest):
    with pytest.raises(ModelFilesError, match="tiny@f16 is not here: there is nothing to remove"):
        remove(manifest())
    assert left(home) == []


def test_removing_takes_what_is_half_fetched_and_keeps_what_is_known(hub, home, manifest):
    model = manifest()
    fetch(model)
    remove(model)
    assert left(home) == ["locks/tiny@f16.json"]
    half_fetched(hub, model)
    remove(model, forget=True)
    assert left(home) == []


def test_a_models_package_that_is_not_installed_is_a_sentence(home, manifest):
    model = manifest(repo=None, package="no_such_package")
    refused(model, "'no_such_package' is not installed|comes with 'no_such_package'")
    with pytest.raises(ModelFilesError, match="is removed with that alone"):
        remove(model)


def test_a_second_repository_is_another_source(hub, manifest):
    fetch(manifest())
    hub.repositories["lab/other"] = Repository({"model.bin": b"o", "config.json": b"{}"})
    fetch(manifest(repo="lab/other"))
    assert read_lock("tiny@f16").source == "lab/other"
