"""A command starts with what it uses: what is slow to import is not imported for a list."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import pytest
import typer

from bench.cli import main as cli
from bench.cli.shell.plain_values import PlainValue, take_plainly

ROOT = Path(__file__).parents[3]
SLOW = {
    "numpy", "scipy", "pyarrow", "matplotlib", "plotly", "rich", "pydantic", "pipecat", "torch",
}  # fmt: skip
TELLS = """
import sys
from bench.cli import main
sys.argv = ["duplex-lab", *sys.argv[1:]]
try:
    main.main()
except SystemExit as ended:
    print(ended.code, *sorted({name.split(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def loaded(*words):
    """(exit code, what a command has imported at its end, its output)."""
    command = [sys.executable, "-c", TELLS, *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    code, *modules = done.stderr.splitlines()[-1].split()
    return int(code), set(modules), done.stdout


@pytest.mark.parametrize("words", [("--help",), ("show", "--help"), ("presets", "--help")])
def test_help_imports_nothing_that_is_slow(words):
    code, modules, out = loaded(*words)
    assert (code, modules & SLOW) == (0, set())
    assert out.startswith("Usage: ")


def test_a_list_of_presets_asks_neither_pydantic_nor_a_model_nor_pipecat():
    code, modules, out = loaded("presets", "list", "--json")
    assert code == 0 and "cascade-embedded" in out
    assert modules & {"pydantic", "pipecat", "torch", "scipy", "pyarrow", "matplotlib"} == set()


def test_a_run_is_shown_without_scipy_stats_and_without_pictures():
    command = TELLS.replace('name.split(".")[0]', "name")
    done = subprocess.run(
        [sys.executable, "-c", command, "show", "results/sample"],
        capture_output=True, text=True, cwd=ROOT, check=True,
    )  # fmt: skip
    modules = set(done.stderr.splitlines()[-1].split()[1:])
    assert "Voice to voice" in done.stdout and "pyarrow" in modules
    assert modules & {"scipy.stats", "matplotlib", "plotly", "pydantic", "numpy.f2py"} == set()


def test_every_command_has_a_line_that_fits_and_says_what_its_own_help_says():
    widest = max(map(len, cli.COMMANDS))
    for name, row in cli.COMMANDS.items():
        assert row.line.endswith("."), name
        assert 2 + widest + 2 + len(row.line) <= 80, name


def command_of(function):
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command()(function)
    command = typer.main.get_command(app)
    return take_plainly(command, typer.Context(command))


def test_plain_values_arrive_as_typer_would_hand_them_on(tmp_path):
    got = []

    def body(
        paths: list[Path],
        name: str = "x",
        count: Annotated[int, typer.Option(min=1)] = 3,
        share: float = 0.5,
        flag: bool = False,
        none: str | None = None,
        several: Annotated[list[str] | None, typer.Option()] = None,
    ) -> None:
        got.append((paths, name, count, share, flag, none, several))

    command = command_of(body)
    assert all(isinstance(p._runtime_param, PlainValue) for p in command.params)
    words = [str(tmp_path), "there-is-none", "--several", "a", "--several", "b"]
    command.main(words, standalone_mode=False)
    command = command_of(body)
    command.main(["a", "--count", "7", "--share", "0.25", "--flag"], standalone_mode=False)
    first = ([tmp_path, Path("there-is-none")], "x", 3, 0.5, False, None, ["a", "b"])
    assert got == [first, ([Path("a")], "x", 7, 0.25, True, None, None)]


def test_what_is_no_number_is_still_refused_in_typers_words():
    def body(count: Annotated[int, typer.Option(min=1)] = 3) -> None:
        raise AssertionError(count)

    for word, why in (("many", "valid integer"), ("0", "greater than or equal to 1")):
        with pytest.raises(Exception, match=why):
            command_of(body).main(["--count", word], standalone_mode=False)


def test_an_unknown_command_is_named_with_the_nearest(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["duplex-lab", "shwo"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said == "duplex-lab: there is no command 'shwo'; did you mean 'show'?\n"
