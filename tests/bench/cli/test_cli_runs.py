"""The runs of a folder: the latest, their names, the list, notes, removing, pruning and packing."""

import json
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bench.cli.main import app
from bench.cli.playing.after import print_report
from bench.metrics.recompute import analyse
from bench.simulated.turns import write_example_run
from bench.store.lock import RunLock
from bench.store.removal import GOING
from bench.store.results import find_run, new_run_id, note_latest
from bench.store.store import read_info, read_run, write_info

OLD, NEW = "20260101-100000-a", "20260102-100000-b+1"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs in results/; the one named NEW began a day after OLD."""
    root = tmp_path_factory.mktemp("house")
    for name, day in ((OLD, "2026-01-01"), (NEW, "2026-01-02")):
        folder = root / "results" / name
        write_example_run(folder, trials=4)
        write_info(folder, {**read_info(folder), "created_utc": f"{day}T10:00:00+00:00"})
        analyse(folder)
    return root


@pytest.fixture
def house(written: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of it, in which the commands are typed; the latest run is NEW."""
    shutil.copytree(written, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    note_latest(Path("results") / NEW)
    yield tmp_path


def typed(*words: object) -> Result:
    return CliRunner().invoke(app, [*map(str, words)], env={"COLUMNS": "200"})


def said(*words: object) -> str:
    done = typed(*words)
    assert done.exit_code == 0, done.output or str(done.exception)
    return done.stdout


def refused(*words: object) -> str:
    done = typed(*words)
    assert done.exit_code != 0
    return str(done.exception)


def below(folder: str) -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def names() -> list[str]:
    return [row["run"] for row in json.loads(said("runs", "--format", "json"))]


def test_a_runs_name_is_short_sorts_by_time_and_counts_the_other_presets() -> None:
    now = datetime(2026, 1, 31, 9, 5, 7)
    assert new_run_id(["cascade-embedded", "cascade-stock"], now) == (
        "20260131-090507-cascade-embedded+1"
    )
    assert new_run_id(["cascade-moshi-tiny-and-more"], now) == "20260131-090507-cascade-moshi-ti"
    assert new_run_id(["cascade-moonshi-tiny"], now) == "20260131-090507-cascade-moonshi"
    assert len(new_run_id(["x" * 100] * 100, now)) <= 40


def test_latest_stands_wherever_a_run_does_and_without_any_word(house: Path) -> None:
    wanted = said("show", f"results/{NEW}")
    trial = read_run(Path("results") / NEW).trials[0].trial_id
    assert f"duplex-lab report results/{NEW}" in wanted
    for way in ((), ("latest",), ("results/latest",), (NEW,)):
        assert said("show", *way) == wanted
    assert said("show", f"latest/{trial}") == said("show", f"results/{NEW}/{trial}")
    assert said("show", f"results/latest/{trial}") == said("show", f"{NEW}/{trial}")
    assert said("report", "--format", "md") == said("report", f"results/{NEW}", "--format", "md")
    assert said("metrics", "latest") == said("metrics", f"results/{NEW}")
    assert said("replay", "latest") == said("replay", f"results/{NEW}")
    compared = typed("compare", OLD, "latest")
    assert compared.exit_code == 0
    assert compared.stdout == typed("compare", f"results/{OLD}", f"results/{NEW}").stdout


def test_there_is_one_sentence_where_there_is_no_latest_run_or_it_is_gone(house: Path) -> None:
    shutil.rmtree(Path("results") / NEW)
    for command in ("show", "metrics", "report", "replay", "listen", "compare", "export-traces"):
        assert refused(command, "latest") == (
            f"results/{NEW}: the latest run is gone; duplex-lab runs lists those that are here."
        )
    Path("results/latest").unlink()
    assert refused("show").startswith("results has no latest run: begin one (duplex-lab run)")
    for text in ("../elsewhere", "", "a\0b"):
        Path("results/latest").write_text(text, encoding="utf-8")
        assert refused("show") == "results/latest: it should hold the name of a run; remove it."


def test_only_runs_in_results_are_the_latest_and_a_folder_of_that_name_is_itself(
    house: Path,
) -> None:
    note_latest(house / "elsewhere" / "run")
    assert not (house / "elsewhere").exists()
    assert find_run("latest") == Path("results") / NEW
    Path("latest").mkdir()
    assert find_run("latest") == Path("latest")


def test_the_last_lines_of_a_run_fit_into_80_columns_and_end_with_the_report(
    house: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path("results") / "20260131-090507-cascade-embedded+1"
    (Path("results") / NEW).rename(folder)
    print_report(folder)
    last = capsys.readouterr().out.splitlines()[-4:]
    assert last == [
        f"Picture:  {folder}/report.png",
        f"Figures:  duplex-lab show {folder} --all",
        f"One turn: duplex-lab show {folder}/TRIAL",
        f"The page: duplex-lab report {folder}",
    ]
    assert max(map(len, last)) <= 80


def test_the_list_has_the_newest_run_first_with_its_counts_and_its_note(house: Path) -> None:
    assert said("runs", "note", OLD, "before  the\nchange") == ""
    rows = json.loads(said("runs", "list", "--format", "json"))
    assert [row["run"] for row in rows] == [NEW, OLD]
    run = read_run(Path("results") / OLD)
    counted = [trial for trial in run.trials if not trial.warmup]
    assert rows[1]["trials"] == len(counted)
    assert rows[1]["failed"] == 0
    assert 0 < rows[1]["valid"] <= rows[1]["turns"]
    files = [path for path in run.path.rglob("*") if path.is_file()]
    assert rows[1]["bytes"] == sum(path.stat().st_size for path in files)
    assert (rows[0]["note"], rows[1]["note"]) == (None, "before the change")
    table = said("runs").splitlines()
    assert table[0].split()[:2] == ["run", "presets"]
    assert [line.split()[0] for line in table[2:]] == [NEW, OLD]
    said("runs", "note", OLD, "")
    assert not (Path("results") / OLD / "note.txt").exists()


def test_a_run_is_removed_only_when_a_person_agrees(house: Path) -> None:
    assert "nothing was removed; say --yes" in refused("runs", "remove", OLD)
    assert names() == [NEW, OLD]
    out = said("runs", "remove", "latest", "--yes")
    assert out.startswith(f"results/{NEW}: ")
    assert "1 run removed, " in out
    assert names() == [OLD]
    assert below("results") == [OLD]  # the pointer went with its run
    assert "there is no such run" in refused("runs", "remove", "results", "--yes")
    assert "there is no such run" in refused("runs", "remove", "nothing", "--yes")


def test_the_sample_and_a_run_that_is_being_written_stay(house: Path) -> None:
    shutil.copytree(Path("results") / OLD, "results/sample")
    assert "the sample belongs to duplex-lab" in refused("runs", "remove", "sample", "--yes")
    held = Path("results") / NEW / ".lock"
    code = (
        "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX);"
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(held)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        assert other.stdout.readline() == "held\n"
        assert "another run writes here" in refused("runs", "remove", NEW, "--yes")
        other.stdin.close()
    assert (Path("results") / NEW / "run.json").is_file()


def test_prune_keeps_the_newest_and_what_has_a_note_or_is_compared_with_or_goes_on(
    house: Path,
) -> None:
    for i, name in enumerate(("noted", "gate", "goes-on", "damaged", "sample")):
        shutil.copytree(Path("results") / OLD, f"results/{name}")
        info = read_info(Path("results") / name)
        write_info(Path("results") / name, {**info, "created_utc": f"2025-01-0{i + 1}"})
    said("runs", "note", "noted", "the base")
    Path("results/kept.jsonl").write_text('{"run": "gate"}\n', encoding="utf-8")
    Path("results/damaged/run.json").write_text("{", encoding="utf-8")
    with RunLock(Path("results/goes-on")):
        assert "1 run, " in refused("runs", "prune", "--keep", "1")
        out = said("runs", "prune", "--keep", "1", "--yes")
    assert out.splitlines()[0].startswith(f"results/{OLD}: ")
    assert set(names()) == {NEW, "noted", "gate", "goes-on", "damaged", "sample"}
    assert said("runs", "prune", "--keep", "6", "--yes") == "results: nothing to remove.\n"


def test_what_a_killed_removal_left_is_no_run_and_goes_with_the_next(house: Path) -> None:
    (Path("results") / OLD).rename(f"results/{GOING}{OLD}.1")
    assert names() == [NEW]
    said("runs", "remove", NEW, "--yes")
    assert below("results") == []


@pytest.mark.parametrize("suffix", ["zip", "tar.gz"])
def test_a_packed_run_unpacks_into_a_folder_that_commands_open(house: Path, suffix: str) -> None:
    said("runs", "note", NEW, "for you")
    with RunLock(Path("results") / OLD):
        assert "the run goes on" in refused("runs", "pack", OLD)
    (Path("results") / NEW / "link").symlink_to("/etc/hostname")
    wanted = said("show", NEW, "--format", "json")
    packed = f"mine.{suffix}"
    assert said("runs", "pack", NEW, "--out", packed).startswith(f"{packed}: ")
    assert "exists already" in refused("runs", "pack", NEW, "--out", packed)
    assert "ends in .zip or .tar.gz" in refused("runs", "pack", NEW, "--out", "mine.rar")
    assert below(".") == [packed, "results"]
    if suffix == "zip":
        with zipfile.ZipFile(packed) as archive:
            archive.extractall("there")
    else:
        with tarfile.open(packed) as archive:
            archive.extractall("there", filter="data")
    assert below("there") == [NEW]
    inside = set(below(f"there/{NEW}"))
    assert "note.txt" in inside
    assert not inside & {"link", ".lock"}
    assert said("show", f"there/{NEW}", "--format", "json") == wanted
