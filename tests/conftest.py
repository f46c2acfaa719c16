"""A hub in memory, and a user's folders of a test's own."""

import pytest
from hypothesis import HealthCheck, settings

from pipelines.models.fetching import hub as hub_client
from pipelines.models.fetching.hub_double import HubDouble, Repository, serving
from pipelines.models.manifest import load_manifest
from tests.hub_files import BIG, SMALL

# A busy machine is no failure.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")
pytest_plugins = ("tests.expected_skips", "tests.order", "tests.quiet_clock")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Nothing of this machine's user is read or written."""
    monkeypatch.setenv("DUPLEX_LAB_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("DUPLEX_LAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("HF_HUB_CACHE", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "models"


@pytest.fixture
def hub(home, monkeypatch, tmp_path):
    """A hub that serves ``lab/tiny``: one large file, one small."""
    client = hub_client.client()
    double = HubDouble({"lab/tiny": Repository({"model.bin": BIG, "config.json": SMALL})})
    double.repositories["lab/tiny"].large = {"model.bin"}
    monkeypatch.setattr(hub_client, "PIECE", 1024)
    with serving(double):
        monkeypatch.setattr(client.constants, "ENDPOINT", double.url)
        template = double.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(client.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(client.constants, "HF_TOKEN_PATH", str(tmp_path / "hf" / "token"))
        monkeypatch.setattr(client.constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(client.file_download.time, "sleep", lambda _: None)
        yield double


@pytest.fixture
def manifest(home):
    """Writes a manifest, and reads it: ``manifest(sha256=…)``."""

    def write(
        text=None, name="tiny", variant="f16", where=home / "manifests" / "tiny.toml", **lines
    ):
        top = {"name": name, "variant": variant, "licence": "MIT", "repo": "lab/tiny", **lines}
        files = top.pop("files", {"model.bin": "", "config.json": ""})
        rows = [f"{key} = {_toml(value)}" for key, value in top.items() if value is not None]
        for path, more in files.items():
            rows += ["[[files]]", f'path = "{path}"', more]
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_text("\n".join(rows) if text is None else text, encoding="utf-8")
        return load_manifest(where)

    return write


def _toml(value):
    return str(value).lower() if isinstance(value, bool) else f'"{value}"'
