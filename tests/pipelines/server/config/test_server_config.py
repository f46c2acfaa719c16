"""The server's options: one table makes the flags, the TOML file and the page in the docs."""

import sys
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import pytest
from typer.testing import CliRunner

from bench.cli.live import serve as command
from bench.cli.main import app
from pipelines.errors import SpecError
from pipelines.guards.ranges import Range
from pipelines.server.config.config import ServerConfig, read_config, to_toml
from pipelines.server.config.option import Help, options_of
from pipelines.server.config.tables import (
    AuthOptions,
    LimitOptions,
    ListenOptions,
    ServeOptions,
    SidecarOptions,
    TlsOptions,
    all_options,
    classes,
)

ROOT = Path(__file__).parents[4]
sys.path.insert(0, str(ROOT / "scripts"))

import server_options  # noqa: E402  (found by the path above)


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[ServerConfig]:
    """What `serve` would serve."""
    found: list[ServerConfig] = []
    monkeypatch.setattr(command, "serve_config", found.append)
    return found


def run(*words: str) -> str:
    result = CliRunner().invoke(app, ["serve", *words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def file_of(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "server.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_command_line_goes_before_the_file_and_the_file_before_the_default(tmp_path, served):
    path = file_of(
        tmp_path,
        '[serve]\npresets = ["click", "own.toml"]\n[limits]\nseats = 5\nminutes = 7\n'
        '[sidecar]\nenabled = true\n[keep]\nfolder = "kept"\n',
    )
    run("--config", str(path), "--seats", "3", "--no-sidecar", "--name", "a", "--name", "b")
    (config,) = served
    assert config.of(LimitOptions) == LimitOptions(seats=3, connections=200, minutes=7)
    assert config.of(SidecarOptions) == SidecarOptions(enabled=False, port=9090, socket=None)
    assert config.of(ListenOptions).names == ("a", "b")
    assert config.of(ServeOptions).presets == ("click", str(tmp_path / "own.toml"))
    assert config.tables["keep"].folder == tmp_path / "kept"


def test_without_a_file_all_is_as_the_tables_say(served):
    run()
    assert served[0].tables == {name: cls() for name, cls in classes().items()}


def test_what_is_printed_is_a_file_that_says_the_same(tmp_path):
    words = (
        "duplex-nano", "click", "--port", "0", "--minutes", "0.5", "--https", "--jwks", "a b.json",
        "--origin", "https://\"quoted\".example", "--sidecar-socket", "s", "--door", "stream",
    )  # fmt: skip
    printed = run(*words, "--print-config")
    path = file_of(tmp_path, printed)
    assert run("--config", str(path), "--print-config") == printed.replace(
        '"a b.json"', f'"{tmp_path}/a b.json"'
    ).replace('socket = "s"', f'socket = "{tmp_path}/s"')
    table = tomllib.loads(printed)
    assert list(table) == list(classes())
    assert table["listen"]["origins"] == ['https://"quoted".example']
    assert "cert" not in table["tls"]


def test_a_printed_default_runs_as_it_stands(tmp_path):
    config = read_config(file_of(tmp_path, run("--print-config")), {})
    assert {name: asdict(one) for name, one in config.tables.items()} == {
        name: asdict(cls()) for name, cls in classes().items()
    }
    assert to_toml(config) == run("--print-config")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[listn]\n", r"unknown table \[listn\] \(did you mean 'listen'\?\)"),
        ("port = 1\n", r"unknown key 'port' \(did you mean 'port' of \[listen\]\?\)"),
        ("[limits]\nseat = 1\n", r"\[limits\]: unknown key 'seat' \(did you mean 'seats'\?\)"),
        ("[limits]\nseats = 65\n", r"seats = 65 must be from 1 to 64 conversations"),
        ('[limits]\nseats = "2"\n', "seats = '2' must be a whole number"),
        ("[limits]\nminutes = nan\n", "minutes = nan must be from 0.1 to 1440 minutes"),
        ("[keep]\nfolder = 3\n", r"\[keep\]: folder = 3 must be a text, a path"),
        ("listen = 3\n", r"\[listen\] must be a table, not 3"),
        ('[tls]\ncert = "a.pem"\n', "--tls-cert and --tls-key: give both, or none"),
        ('[auth]\njwks = "a"\ntoken_secret_env = "B"\n', "give one of them"),
        ('[listen]\nnames = ["https://a.b"]\n', "--name 'https://a.b': a host is needed"),
        ('[listen]\norigins = ["a.b"]\n', "--origin 'a.b': an address is needed, as in https"),
        ('[listen]\norigins = ["https://a.b/c"]\n', "--origin 'https://a.b/c': an address"),
        ('[listen]\npublic_url = "https://a.b:c"\n', "--public-url 'https://a.b:c': an address"),
        ("[tls\n", "not valid TOML"),
    ],
)
def test_what_is_wrong_in_a_file_is_one_sentence_that_names_it(tmp_path, text, said):
    path = file_of(tmp_path, text)
    with pytest.raises(SpecError, match=said) as error:
        read_config(path, {})
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value).strip()


def test_a_file_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(SpecError, match=r"--config .*none\.toml: can't be read: No such file"):
        read_config(tmp_path / "none.toml", {})


def test_an_empty_path_stands_for_none(tmp_path):
    config = read_config(file_of(tmp_path, '[tls]\ncert = ""\nkey = ""\n[auth]\njwks = ""\n'), {})
    assert (config.of(TlsOptions), config.of(AuthOptions)) == (TlsOptions(), AuthOptions())


def test_no_two_options_share_a_flag_and_each_has_its_sentence():
    flags = [one.flag for one in all_options()]
    assert len(set(flags)) == len(flags)
    assert {"--config", "--print-config", "--bench-wire"}.isdisjoint(flags)
    for one in all_options():
        assert one.help.text.endswith("."), one


@dataclass(frozen=True, slots=True)
class Own:
    """Options as another room may have them."""

    mode: Annotated[Literal["off", "on"], Help("Which.")] = "off"
    days: Annotated[int | None, Range(1, 9, "days"), Help("How long.", metavar="N")] = None
    at: Annotated[tuple[Annotated[float, Range(0, 1)], ...], Help("Where.", "--at")] = ()


def test_an_option_is_read_off_its_type_and_what_stands_beside_it():
    mode, days, at = options_of("own", Own)
    assert (mode.flag, mode.parameter, mode.bounds) == ("--own-mode", "own_mode", "off, on")
    assert (days.kind, days.is_list, days.default) == (int, False, None)
    assert (days.bounds, days.help.metavar) == ("from 1 to 9 days", "N")
    assert (at.flag, at.kind, at.is_list, at.bounds) == ("--at", float, True, "from 0 to 1")


def test_the_help_and_the_page_name_every_option():
    text = run("--help")
    for one in all_options():
        assert one.flag in text
    page = server_options.DOCS.read_text(encoding="utf-8")
    assert server_options.page(page) == page, "run: python scripts/server_options.py"
