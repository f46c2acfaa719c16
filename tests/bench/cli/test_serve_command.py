"""`duplex-lab serve` as a program: what it refuses, and how it ends."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from websockets.sync.client import connect

from bench.cli.live.serve import serve
from bench.store.store import read_run
from pipelines.errors import LabError

PYTHON = [sys.executable, "-m", "bench.cli.main", "serve"]


def test_it_serves_until_it_is_asked_to_end_and_tells_its_clients_so(tmp_path):
    command = [*PYTHON, "passthrough", "--port", "0", "--sidecar-socket", str(tmp_path / "s")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as of:
        assert of.stdout is not None
        line = next(line for line in of.stdout if line.startswith("Serving"))
        url = re.search(r"http://\S+", line)[0]
        with connect(url.replace("http", "ws") + "/v1/stream", compression=None) as socket:
            assert "starting" in socket.recv()
            of.send_signal(signal.SIGTERM)
            assert '"reason":"the server is shutting down"' in "".join(map(str, socket))
        _, said = of.communicate(timeout=60)
    assert of.returncode == 0, said
    assert "Traceback" not in said and not (tmp_path / "s").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"host": "0.0.0.0"}, "without a token"),
        ({"presets": ["nope"]}, "There is no preset 'nope'"),
        ({"presets": ["cascade-scripted"]}, "labels, which a live user has not"),
        ({"presets": ["click", "click"]}, "two presets have the same name"),
        ({"presets": ["passthrough", "passthrough"]}, "two presets have the same name"),
        ({"fallback": ["https://a.example/x"]}, "begins with wss:// or ws://"),
        ({"fallback": ["nope"]}, "There is no preset 'nope'"),
        (
            {"policy_rules": ["model_died=panic"]},
            "'panic' is none of its words",
        ),
        ({"skills": True, "skills_modules": ["json:loads"]}, "json:loads is no list of skills"),
        ({"skills": True, "skills_modules": ["json"]}, "'json': write MODULE:NAME"),
        ({"skills": True, "skills_modules": ["json:none"]}, "AttributeError: module 'json' has no"),
        ({"skills": True, "skills_modules": ["no_such:S"]}, "there is no module 'no_such' on"),
        ({"memory_local_user": "me"}, "nothing is remembered without --memory FOLDER"),
        (
            {"fallback": ["ws://voice.example.org/v1/stream"], "policy_token_env": "TOKEN"},
            "the token would be sent unencrypted; give a wss://",
        ),
        ({"skills": True, "skills_planner": "nope"}, "There is no preset 'nope'"),
        ({"token_secret_env": "NO_SUCH_VARIABLE"}, "the variable is not set"),
        ({"token_secret_env": "A", "jwks": Path("b")}, "give one of them"),
    ],
)
def test_what_can_t_be_served_is_refused_in_a_sentence(given, said):
    with pytest.raises(LabError, match=said):
        serve(**given)


def test_a_file_that_names_no_preset_is_refused(tmp_path):
    (tmp_path / "server.toml").write_text("[serve]\npresets = []\n")
    with pytest.raises(LabError, match="presets names nothing: name one, or leave the key out"):
        serve(config=tmp_path / "server.toml")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def broken(:", "SyntaxError"),
        ("raise RuntimeError('boom')", "can't be loaded: RuntimeError: boom."),
        ("import no_such_package", "needs 'no_such_package': install it"),
        ("SKILLS = [1]", "is no list of skills"),
    ],
)
def test_a_module_of_ones_own_that_can_t_be_loaded_is_one_sentence(
    code, said, tmp_path, monkeypatch
):
    name = f"skills_{abs(hash(code))}"
    (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(LabError, match=said):
        serve(skills=True, skills_modules=[f"{name}:SKILLS"])


def test_a_short_secret_is_refused(monkeypatch):
    monkeypatch.setenv("VOICE", "short")
    with pytest.raises(LabError, match="5 bytes: HS256 needs 32"):
        serve(token_secret_env="VOICE")


SMALL_FILES = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (120_000, 120_000))
runpy.run_module("bench.cli.main", run_name="__main__")
"""
"""The same program, whose files may have 120 kB: a write fails in its middle, as on a full disk."""


def test_a_disk_that_is_full_is_told_to_the_conversation_and_the_next_one_goes_on(tmp_path):
    folder = tmp_path / "run"
    options = ["serve", "click", "--port", "0", "--keep", str(folder)]
    command = [sys.executable, "-c", SMALL_FILES, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as of:
        assert of.stdout is not None
        line = next(line for line in of.stdout if line.startswith("Serving"))
        url = re.search(r"http://\S+", line)[0]
        noise = np.random.default_rng(1).integers(-9_000, 9_000, 24_000).astype("<i2").tobytes()
        for seconds in (4, 0):
            with connect(url.replace("http", "ws") + "/v1/stream", compression=None) as socket:
                while "listening" not in str(socket.recv()):
                    pass
                for _ in range(seconds):
                    socket.send(noise)
                time.sleep(seconds)  # audio that comes at once is heard in its time
                socket.send('{"type": "stop"}')
                told = [json.loads(text) for text in socket if isinstance(text, str)]
            errors = [one["message"] for one in told if one["type"] == "error"]
            assert ("File too large" in "".join(errors)) is bool(seconds), told
            assert told[-1] == {"type": "status", "state": "closed"}
        of.send_signal(signal.SIGTERM)
        _, said = of.communicate(timeout=60)
    assert of.returncode == 0 and "Traceback" not in said, said
    (trial,) = read_run(folder).trials
    assert (trial.fixture, trial.status) == ("stream-2", "ok")
