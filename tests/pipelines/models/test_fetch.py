"""Fetching, against a hub in memory over real HTTP."""

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from pipelines.models.fetching import hub as hub_client
from pipelines.models.fetching.fetch import fetch
from pipelines.models.fetching.hub_double import COMMIT, TOKEN
from pipelines.models.find import MissingModelError, resolve
from pipelines.models.lockfile import read_lock
from tests.hub_files import BIG, SMALL, half_fetched, left, refused, sha256

HALF = len(BIG) // 2
WHOLE = ["locks/tiny@f16.json", "tiny@f16/config.json", "tiny@f16/model.bin"]
ROOT = Path(__file__).parents[3]


def test_a_model_is_fetched_whole_and_what_came_is_written_down(hub, home, manifest):
    model = manifest()
    assert fetch(model) is True
    assert left(home) == WHOLE
    assert (home / "tiny@f16" / "model.bin").read_bytes() == BIG
    lock = read_lock("tiny@f16")
    assert lock.revision == COMMIT
    assert lock.files["model.bin"].sha256 == sha256(BIG)
    assert lock.files["model.bin"].checked_by == "hub sha256"
    assert lock.files["config.json"].bytes == len(SMALL)
    assert lock.files["config.json"].checked_by == "hub git"
    asked = len(hub.asked)
    assert fetch(model) is False
    assert len(hub.asked) == asked


def test_the_progress_ends_at_each_files_size(hub, manifest):
    seen = []
    fetch(manifest(), watch=lambda *what: seen.append(what))
    assert seen[0] == ("model.bin", 0, len(BIG))
    assert ("model.bin", len(BIG), len(BIG)) in seen
    assert seen[-1] == ("config.json", len(SMALL), len(SMALL))


def test_a_dropped_connection_is_resumed_at_once(hub, home, manifest):
    hub.fault, hub.faulty = "cut once", "model.bin"
    fetch(manifest())
    assert hub.ranges("model.bin")[-1] == f"bytes={HALF}-"
    assert left(home) == WHOLE


def test_a_half_fetched_model_is_gone_on_with_where_it_ended(hub, home, manifest):
    model = manifest()
    half_fetched(hub, model)
    (part,) = [p for p in left(home) if p.endswith(".part")]
    have = (home / part).stat().st_size
    assert HALF <= have < len(BIG)
    fetch(model)
    assert [r for r in hub.ranges("model.bin") if r] == [f"bytes={have}-"] * 2  # with its redirect
    assert (home / "tiny@f16" / "model.bin").read_bytes() == BIG
    assert left(home) == WHOLE


def test_a_server_that_knows_no_ranges_sends_the_whole_again(hub, home, manifest):
    model = manifest()
    half_fetched(hub, model)
    hub.fault = "no range"
    fetch(model)
    assert (home / "tiny@f16" / "model.bin").read_bytes() == BIG


def test_a_killed_fetch_is_gone_on_with(hub, home, manifest):
    model = manifest()
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from pipelines.models.fetching import hub\n"
        "from pipelines.models.fetching.fetch import fetch; "
        "from pipelines.models.manifest import load_manifest\n"
        "hub.PIECE = 1024\n"
        "def watch(path, done, total):\n"
        "    if done * 2 >= total: os.kill(os.getpid(), signal.SIGKILL)\n"
        "fetch(load_manifest(Path(sys.argv[1])), watch=watch)\n"
    )
    environment = {**os.environ, "HF_ENDPOINT": hub.url, "PYTHONSAFEPATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code, str(model.origin)], cwd=ROOT, env=environment
    )
    assert done.returncode == -signal.SIGKILL
    (part,) = left(home)
    have = (home / part).stat().st_size
    assert part.startswith(".partial/tiny@f16/model.bin.") and HALF - 10_000 < have <= HALF
    with pytest.raises(MissingModelError, match="is fetched in part only; fetch it: duplex-lab mo"):
        resolve("tiny@f16")
    hub.asked.clear()
    fetch(model)
    assert hub.ranges("model.bin") == [f"bytes={have}-"] * 2  # the second is the redirect's
    assert left(home) == WHOLE
    assert resolve("tiny@f16") == home / "tiny@f16"


def test_two_fetches_at_once_bring_each_byte_once(hub, home, manifest):
    told: list[str] = []
    brought: list[bool] = []
    model = manifest()
    threads = [
        threading.Thread(target=lambda: brought.append(fetch(model, tell=told.append)))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(brought) == [False, True]
    assert len([a for a in hub.asked if a[0] == "GET" and a[1].startswith("/large")]) == 1
    assert left(home) == WHOLE


@pytest.mark.parametrize(("spoilt", "by"), [("model.bin", "SHA-256"), ("config.json", "git's")])
def test_damaged_bytes_are_thrown_away_and_said(hub, home, manifest, spoilt, by):
    hub.fault, hub.faulty = "flip", spoilt
    refused(manifest(), f"{spoilt} arrived damaged .*{by}.* fetch again")
    assert not [path for path in left(home) if path.endswith(".part")]
    assert not (home / "tiny@f16").exists()
    hub.fault = ""
    fetch(manifest())
    assert left(home) == WHOLE


# refused by the network


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("429", r"asks for patience \(429"),
        ("500", r"failed \(500\) on 'model.bin'"),
        ("403", r"forbids 'model.bin' of lab/tiny \(403\)"),
        ("416", r"has less of 'model.bin'"),
        ("hang up", "broke while 'model.bin'"),
        ("no commit", "does not say which commit|is no hub"),
    ],
)
def test_an_answer_that_is_no_file_is_a_sentence(hub, home, manifest, fault, words):
    hub.fault, hub.faulty = fault, "model.bin"
    refused(manifest(), words)
    assert not (home / "tiny@f16").exists()


def test_a_server_that_does_not_answer_in_time_is_a_sentence(hub, manifest, monkeypatch):
    monkeypatch.setattr(hub_client.client().constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.05)
    hub.fault, hub.faulty = "stall", "model.bin"
    refused(manifest(), "did not answer in time for 'model.bin' of lab/tiny")


def test_a_redirect_in_circles_is_a_sentence(hub, manifest):
    hub.fault, hub.faulty = "circle", "model.bin"
    refused(manifest(), "round in circles")


def test_an_address_that_is_none_is_a_sentence(hub, manifest, monkeypatch):
    template = "hub.example/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(hub_client.client().constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    refused(manifest(), "address of lab/tiny can't be used .*HF_ENDPOINT")


def test_no_connection_is_a_sentence(hub, home, manifest, monkeypatch):
    constants = hub_client.client().constants
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE",
        "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}",
    )  # fmt: skip
    refused(manifest(), "No connection to the server of lab/tiny .*check the network")
    assert left(home) == []


def test_forbidden_to_go_online_is_a_sentence(hub, home, manifest, monkeypatch):
    monkeypatch.setattr(hub_client.client().constants, "HF_HUB_OFFLINE", True)
    refused(manifest(), "HF_HUB_OFFLINE forbids")
    assert left(home) == []


def test_a_missing_library_is_a_sentence(home, manifest, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    refused(manifest(), "needs the package 'huggingface_hub', which is not installed")


def test_gated_without_a_token_says_where_to_accept(hub, home, manifest):
    hub.repositories["lab/tiny"].gated = True
    refused(manifest(), r"lab/tiny is gated: accept its conditions at https://\S+/lab/tiny")
    assert left(home) == []


def test_a_token_opens_the_gate_and_no_other_host_sees_it(hub, manifest, monkeypatch):
    hub.repositories["lab/tiny"].gated = True
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    fetch(manifest())
    requests = zip(hub.asked, hub.authorised, strict=True)
    seen = {asked[1].startswith("/large"): yes for asked, yes in requests}
    assert seen == {False: True, True: False}


def test_the_tokens_file_is_read_too(hub, manifest, tmp_path):
    hub.repositories["lab/tiny"].gated = True
    (tmp_path / "hf").mkdir()
    (tmp_path / "hf" / "token").write_text(f"{TOKEN}\n")
    assert hub_client.has_token()
    assert fetch(manifest())


@pytest.mark.parametrize(
    ("token", "words"), [("hf_wrong", r"refuses the token \(401\)"), ("hf_ü", "holds a character")]
)
def test_a_bad_token_is_a_sentence(hub, home, manifest, monkeypatch, token, words):
    hub.repositories["lab/tiny"].gated = True
    monkeypatch.setenv("HF_TOKEN", token)
    refused(manifest(), words)
    assert left(home) == []


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ({"repo": "lab/huge"}, "shows no repository 'lab/huge' to you"),
        ({"revision": "v2"}, "has no revision 'v2'"),
        ({"files": {"model.bim": ""}}, "has no file 'model.bim'"),
    ],
)
def test_what_the_hub_does_not_have_is_a_sentence(hub, home, manifest, lines, words):
    refused(manifest(**lines), words)
    assert left(home) == []


# refused by the disk


def test_too_little_space_is_found_before_anything_is_fetched(hub, home, manifest, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("pipelines.cache.shutil.disk_usage", lambda _: usage)
    with pytest.raises(Exception, match=r"needs 0.0 GB of disk .*DUPLEX_LAB_MODELS"):
        fetch(manifest())
    assert {asked[0] for asked in hub.asked} == {"HEAD"}
    assert left(home) == []


def test_a_disk_that_fills_up_keeps_what_came(hub, home, manifest, monkeypatch):
    def write(self, data):
        self._file.write(data[:100])
        self._file.flush()
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(hub_client._Counted, "write", write)
        refused(manifest(), "disk is full in the middle of 'model.bin': free some")
    assert [(home / p).stat().st_size for p in left(home)] == [100]
    hub.asked.clear()
    fetch(manifest())
    assert hub.ranges("model.bin")[-1] == "bytes=100-"


def test_a_folder_that_cannot_be_made_is_a_sentence(hub, manifest, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("DUPLEX_LAB_MODELS", str(tmp_path / "file" / "models"))
    with pytest.raises(Exception, match=r"can't be written .*DUPLEX_LAB_MODELS"):
        fetch(manifest())
    assert hub.asked == []


def test_a_folder_that_may_not_be_written_is_a_sentence(hub, home, manifest, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", "models/model.bin")

    monkeypatch.setattr(hub_client, "_Counted", refuse)
    refused(manifest(), r"model.bin can't be written \(Permission denied\): .*DUPLEX_LAB_MODELS")
    assert [(home / p).stat().st_size for p in left(home)] == [0]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_rights_is_a_sentence(hub, home, manifest):
    home.mkdir()
    home.chmod(0o500)
    try:
        with pytest.raises(Exception, match=r"can't be written .*DUPLEX_LAB_MODELS"):
            fetch(manifest())
    finally:
        home.chmod(0o700)


# pinned, or trusted on the first fetch
