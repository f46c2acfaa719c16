"""``duplex-lab models``, against a hub in memory; bad input is one sentence and exit code 2."""

import json
import sys
import tomllib

import pytest

from bench.cli import main as cli
from pipelines.models.fetching.fetch import fetch
from pipelines.models.fetching.hub_double import COMMIT
from pipelines.models.manifest import load_manifest
from pipelines.models.paths import SHIPPED
from tests.hub_files import BIG, SMALL, left, sha256

WHOLE = ["locks/tiny@f16.json", "tiny@f16/config.json", "tiny@f16/model.bin"]


@pytest.fixture
def lab(monkeypatch, capsys, home):
    """Runs ``duplex-lab WORDS``; returns (exit code, stdout, stderr)."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["duplex-lab", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
            raise SystemExit(0)
        out = capsys.readouterr()
        return int(ended.value.code or 0), out.out, out.err

    return run


def row(name, text):
    return next(line for line in text.splitlines() if line.strip().startswith(name))


def test_all_models_are_listed_with_what_is_known_of_them(lab, manifest):
    manifest(gated=True)
    code, out, _ = lab("models", "list")
    assert code == 0
    assert row("tiny@f16", out).split()[1:6] == ["no", "–", "–", "MIT", "(gated)"]
    assert "unpinned" in row("tiny@f16", out)
    assert "yes, ships" in row("creature-3m@q8_0", out) and "pinned" in row("creature-3m", out)
    assert "in its package" in row("smart-turn@v3.2", out)
    assert "\x1b" not in out  # no terminal, no colour


def test_what_is_shipped_or_in_a_package_is_what_its_manifest_pins(lab):
    code, out, err = lab("models", "verify")
    assert (code, out) == (0, "3 models verified, 0 damaged files\n")
    assert "verifying silero-vad@pipecat: audio/vad/data/silero_vad.onnx" in err


def test_fetch_brings_a_model_prints_its_path_and_says_where_from(lab, hub, home, manifest):
    manifest()
    code, out, err = lab("models", "fetch", "tiny")
    assert (code, out) == (0, f"{home / 'tiny@f16'}\n")
    assert err.splitlines()[0] == "tiny@f16: tiny, MIT, from lab/tiny@main"
    assert "model.bin: 205 kB of 205 kB" in err.splitlines()
    assert left(home) == WHOLE
    assert lab("models", "path", "tiny@f16")[1] == out
    code, out, err = lab("models", "fetch", "tiny")
    assert (code, err) == (0, "")


def test_the_list_as_json_holds_numbers_and_the_hash_once_it_is_known(lab, hub, manifest):
    fetch(manifest())
    rows = {r["id"]: r for r in json.loads(lab("models", "list", "--json")[1])}
    tiny = rows["tiny@f16"]
    assert (tiny["bytes"], tiny["here"], tiny["trust"]) == (len(BIG) + len(SMALL), "yes", "trusted")
    assert lab("models", "fetch", f"tiny@sha256:{tiny['sha256']}")[0] == 0
    assert rows["moshiko-torch@bf16"]["memory_mb"] == {"cuda": 24000}
    assert rows["personaplex-7b@v1"]["gated"] is True
    assert rows["personaplex-7b@v1"]["bytes"] is None


def test_one_of_two_that_fails_does_not_hinder_the_other(lab, hub, home, manifest):
    manifest(name="gone", repo="lab/gone", where=home / "manifests" / "gone.toml")
    manifest()
    code, out, err = lab("models", "fetch", "gone", "tiny")
    assert (code, out) == (2, f"{home / 'tiny@f16'}\n")
    assert "shows no repository 'lab/gone'" in err.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("fetch",), "Name a model, or --preset"),
        (("fetch", "tinny"), "no model 'tinny' (did you mean 'tiny'?)"),
        (("fetch", "tiny@q9"), "no variant 'q9'"),
        (("fetch", "tiny@sha256:1"), "64 of the characters"),
        (("fetch", "../tiny"), "is not a model id"),
        (("fetch", "--preset", "no-such"), "no preset 'no-such'"),
        (("verify", "tiny"), "nothing to verify: duplex-lab models fetch tiny@f16"),
        (("remove", "tiny"), "nothing to remove"),
        (("remove", "creature-3m"), "is removed with that alone"),
        (("path", "tiny"), "duplex-lab models fetch tiny@f16"),
        (("path", "no/such/file"), "no file or folder no/such/file"),
        (("list", "--manifest", "no.toml"), "no.toml can't be read"),
    ],
)
def test_bad_input_is_one_sentence(lab, manifest, home, words, told):
    manifest()
    code, out, err = lab("models", *words)
    assert (code, out) == (2, "")
    assert err.startswith("duplex-lab: ") and err.count("\n") == 1 and told in err, err
    assert left(home) == []


def test_a_broken_manifest_of_the_users_is_reported_by_every_command(lab, home, manifest):
    (home / "manifests").mkdir(parents=True)
    (home / "manifests" / "bad.toml").write_text('name = "x"')
    for words in (("list",), ("status",), ("fetch", "x"), ("remove", "x"), ("verify",)):
        code, _, err = lab("models", *words)
        assert (code, err.count("\n")) == (2, 1) and "bad.toml: the key 'licence' is missing" in err


def test_verify_counts_damaged_files_and_status_shows_the_state(lab, hub, home, manifest):
    fetch(manifest())
    (home / "tiny@f16" / "model.bin").write_bytes(b"!" + BIG[1:])
    code, out, err = lab("models", "verify", "tiny")
    assert (code, out) == (1, "1 models verified, 1 damaged files\n")
    assert "tiny@f16: model.bin is damaged" in err
    (home / "tiny@f16" / "config.json").unlink()
    found = lab("models", "status")[1]
    assert "damaged" in row("tiny@f16", found) and "config.json is not in" in found
    assert "none" in row("token:", found) and hub.url in row("hub:", found)


def test_status_says_what_is_half_fetched(lab, hub, home, manifest):
    hub.fault, hub.faulty = "cut", "model.bin"
    files = {"model.bin": f'bytes = {len(BIG)}\nsha256 = "{sha256(BIG)}"'}
    manifest(files=files)
    assert lab("models", "fetch", "tiny")[0] == 2
    table = json.loads(lab("models", "status", "--json")[1])
    (tiny,) = [r for r in table["models"] if r["id"] == "tiny@f16"]
    assert tiny["here"] == "in part (99 %)"
    assert table["folder"] == str(home)
    code, out, _ = lab("models", "remove", "tiny")
    assert (code, left(home)) == (0, [])
    assert out.startswith("tiny@f16 removed: ")


def test_pin_writes_what_the_hub_says_and_the_pinned_manifest_fetches(lab, hub, home, manifest):
    path = manifest().origin
    code, out, _ = lab("models", "pin", "tiny")
    assert code == 0 and left(home) == []
    table = tomllib.loads(out)
    assert table["revision"] == COMMIT
    assert table["files"][0] == {"path": "model.bin", "bytes": len(BIG), "sha256": sha256(BIG)}
    assert table["files"][1]["sha256"] == sha256(SMALL)
    assert hub.ranges("model.bin") == []  # of a large file its hash is said, not fetched
    assert lab("models", "pin", "--write", "tiny")[1] == f"{path}\n"
    pinned = load_manifest(path)
    assert pinned.pinned and pinned.source.fixed
    assert lab("models", "fetch", f"tiny@sha256:{pinned.digest}")[0] == 0


def test_pin_takes_what_was_fetched_where_it_was(lab, hub, manifest, tmp_path):
    fetch(manifest())
    hub.asked.clear()
    assert tomllib.loads(lab("models", "pin", "tiny")[1])["revision"] == COMMIT
    assert hub.asked == []
    assert lab("models", "pin", "--write", "tiny")[0] == 0
    assert lab("models", "path", "tiny")[0] == 0  # it is the same commit still
    assert hub.asked == []


def test_pinning_keeps_every_other_line_of_a_manifest(lab):
    path = SHIPPED / "creature" / "manifest.toml"
    before = tomllib.loads(path.read_text(encoding="utf-8"))
    after = tomllib.loads(lab("models", "pin", "creature-3m")[1])
    (file,) = after.pop("files")
    assert file == {
        "path": before.pop("file"), "bytes": before.pop("bytes"), "sha256": before.pop("sha256")
    }  # fmt: skip
    assert after == before


def test_fetching_for_a_preset_names_the_model_that_it_needs(lab, hub, home):
    code, out, err = lab("models", "fetch", "--preset", "duplex-moshiko-q4")
    assert (code, out) == (2, "")
    assert "shows no repository 'kyutai/moshiko-mlx-q4'" in err.splitlines()[-1]
    assert lab("models", "fetch", "--preset", "cascade-embedded")[:2] == (
        0,
        f"{SHIPPED / 'creature' / 'creature-3m-q8_0.gguf'}\n",
    )


def test_a_run_stops_before_its_first_trial_with_the_line_that_fetches(lab, home, tmp_path):
    where = tmp_path / "run"
    code, out, err = lab(
        "run", "--presets", "cascade-scripted,duplex-moshiko-q4", "--fixtures", "cmd_wave",
        "--out", where,
    )  # fmt: skip
    assert (code, out) == (2, "")
    told = [line for line in err.splitlines() if not line.startswith("[")]
    assert told == [
        "duplex-lab: moshiko-mlx@q4 is needed by duplex-moshiko-q4 and not (wholly) on this "
        "machine; fetch first: duplex-lab models fetch moshiko-mlx@q4"
    ]
    assert not (where / "run.json").exists() and not list(where.glob("*.parquet"))
