"""`duplex-lab serve` as a program: what it refuses, and how it ends."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from websockets.sync.client import connect

from bench.cli.live.serve import serve
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
        ({"token_secret_env": "NO_SUCH_VARIABLE"}, "the variable is not set"),
        ({"token_secret_env": "A", "jwks": Path("b")}, "give one of them"),
    ],
)
def test_what_can_t_be_served_is_refused_in_a_sentence(given, said):
    with pytest.raises(LabError, match=said):
        serve(**given)


def test_a_short_secret_is_refused(monkeypatch):
    monkeypatch.setenv("VOICE", "short")
    with pytest.raises(LabError, match="5 bytes: HS256 needs 32"):
        serve(token_secret_env="VOICE")
