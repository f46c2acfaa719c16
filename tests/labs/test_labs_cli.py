"""``duplex-lab labs``: a student's way from the starter to the zip, and what is told on the way."""

import csv
import re
import sys
import zipfile

import pytest

from bench.cli import main as cli
from labs import catalogue
from labs.check import ANSWERS
from labs.grading.sandbox import Bubblewrap, leak_of
from labs.pack import LARGEST_RATIO, PackError, changed_files, pack, read_manifest, unpack
from labs.start import copy_starter


@pytest.fixture
def lab(monkeypatch, capsys, tmp_path):
    """Runs ``duplex-lab labs WORDS`` in a folder of its own; (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["duplex-lab", "labs", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
            raise SystemExit(0)
        out = capsys.readouterr()
        return int(ended.value.code or 0), out.out, out.err

    return run


def test_the_list_names_each_lab_and_what_is_checked(lab):
    code, out, _ = lab("list")
    assert code == 0
    assert "5a  The cascade and its floor" in out
    assert "floor-rule: predict_floor() is right where stages never vary" in out
    code, table, _ = lab("list", "--format", "csv")
    heads, *rows = csv.reader(table.splitlines())
    assert (code, heads) == (0, ["lab", "title", "check", "what"])
    assert len(rows) == sum(": " in line for line in out.splitlines() if line.startswith("    "))


@pytest.mark.parametrize("name", ["5a", "5b", "5c"])
def test_each_check_takes_one_line_of_80_columns(name):
    lines = [f"    {check.name}: {check.what}" for check in catalogue.load(name).checks]
    assert [line for line in lines if len(line) > 80] == []


@pytest.mark.parametrize("name", ["5a", "5b", "5c"])
def test_the_answers_are_packed(tmp_path, name):
    copy_starter(name, tmp_path / "my")
    pack(catalogue.load(name), tmp_path / "my", "her", tmp_path / "her.zip")
    with zipfile.ZipFile(tmp_path / "her.zip") as archive:
        assert ANSWERS in archive.namelist()


@pytest.mark.parametrize("name", ["5a", "5b", "5c"])
def test_the_links_of_the_copied_task_lead_somewhere(lab, tmp_path, name):
    lab("start", name, "deep/er/my")
    text = (tmp_path / "deep/er/my/README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links
    for link in links:
        assert (tmp_path / "deep/er/my" / link).is_file(), link


def test_from_the_starter_to_the_zip(lab, tmp_path):
    code, out, _ = lab("start", "5a", "my")
    assert code == 0
    assert "begin with my/README.md" in out
    code, out, _ = lab("check", "5a", "my")
    assert code == 1
    assert "not yet  answers-heard: results/base is not there yet." in out
    assert "0 of 14 checks pass." in out
    code, out, _ = lab("submit", "5a", "my", "--name", "Zoë K/../x")
    assert code == 0
    (packed,) = tmp_path.glob("*.zip")
    assert packed.name == "lab5a-Zo_K_.._x.zip"
    with zipfile.ZipFile(packed) as archive:
        assert "answers.toml" in archive.namelist()
        assert "measure.py" not in archive.namelist()
    unpack(packed, tmp_path / "out")
    manifest = read_manifest(tmp_path / "out")
    assert (manifest.lab, manifest.student) == ("5a", "Zoë K/../x")
    assert changed_files(tmp_path / "out", manifest) == []
    (tmp_path / "out" / "floor.py").write_text("", encoding="utf-8")
    (tmp_path / "out" / "cascade.py").unlink()
    assert sorted(changed_files(tmp_path / "out", manifest)) == [
        "cascade.py was packed, but is missing",
        "floor.py was changed after it was packed",
    ]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("start", "7z", "my"), "There is no lab '7z'"),
        (("submit", "5a", "nowhere"), "nothing of what lab 5a asks for is there"),
        (("grade", "nowhere"), "nowhere: there is no such folder"),
    ],
)
def test_bad_input_is_one_sentence(lab, words, sentence):
    code, _, err = lab(*words)
    assert code == 2
    assert sentence in err
    assert err.count("\n") == 1


def test_an_empty_class_is_reported(lab, tmp_path):
    (tmp_path / "class").mkdir()
    code, _, err = lab("grade", "class")
    assert code == 2
    assert "no .zip and no folder in it" in err


def test_a_link_is_not_packed(tmp_path):
    from labs.catalogue import load

    (tmp_path / "floor.py").symlink_to("/etc/hostname")
    with pytest.raises(PackError, match="is a link"):
        pack(load("5a"), tmp_path, "me", tmp_path / "out.zip")


@pytest.mark.parametrize(
    "name", ["/etc/x", "../x", "a/../../x", "C:/x", "a\\b", "a/./../../x", "x\0y/../../z"]
)
def test_a_name_that_leads_out_is_refused_before_anything_is_written(tmp_path, name):
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.writestr("first.txt", "1")
        entry = zipfile.ZipInfo("y")
        entry.filename = name
        archive.writestr(entry, "2")
    out = tmp_path / "deep" / "er" / "out"
    out.mkdir(parents=True)
    if "\0" in name:  # a reader cuts a name at NUL: nothing of the rest may count
        unpack(tmp_path / "in.zip", out)
        assert sorted(p.name for p in out.iterdir()) == ["first.txt", "x"]
    else:
        with pytest.raises(PackError, match="leads out of the folder"):
            unpack(tmp_path / "in.zip", out)
        assert not list(out.iterdir())
    assert not list((tmp_path / "deep").glob("**/z"))


def test_a_size_that_the_zip_lies_about_is_counted_as_it_comes(tmp_path):
    with zipfile.ZipFile(tmp_path / "in.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(8 * 2**20))
    data = bytearray((tmp_path / "in.zip").read_bytes())
    told = (8 * 2**20).to_bytes(4, "little")
    while (at := data.find(told)) >= 0:
        data[at : at + 4] = (100).to_bytes(4, "little")
    (tmp_path / "in.zip").write_bytes(bytes(data))
    (tmp_path / "out").mkdir()
    with pytest.raises(PackError):
        unpack(tmp_path / "in.zip", tmp_path / "out")
    assert sum(p.stat().st_size for p in (tmp_path / "out").iterdir()) <= 2**20 * LARGEST_RATIO


def test_two_names_that_meet_on_a_disk_without_case_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        archive.writestr("Floor.py", "1")
        archive.writestr("floor.py", "2")
    (tmp_path / "out").mkdir()
    with pytest.raises(PackError, match="is there twice"):
        unpack(tmp_path / "in.zip", tmp_path / "out")


def test_a_program_that_runs_nothing_is_no_sandbox(tmp_path):
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    fake.chmod(0o755)
    assert "gave nothing back" in str(leak_of(Bubblewrap(str(fake))))


def test_a_program_that_only_starts_the_code_is_found_to_leak(tmp_path):
    fake = tmp_path / "bwrap"
    fake.write_text(
        "#!/bin/bash\n"
        'while [ "$1" != "--ro-bind" ] || [ "$3" != "/submission" ]; do shift; done\n'
        'root="$2"\n'
        'while [ "$1" != "-I" ]; do python="$1"; shift; done\n'
        'sed -E "s#/submission#$root#; s#, .user.: [0-9]+##" | '
        f'"$python" -I {cli.__file__.replace("bench/cli/main.py", "labs/child.py")}\n',
        encoding="utf-8",
    )
    fake.chmod(0o755)
    why = leak_of(Bubblewrap(str(fake)))
    assert why == "network: a connection to 127.0.0.1 was made"
