"""A live call in a real browser: a recorded user at its microphone is answered, heard, and seen.

Needs what ``make talk`` installs (extra ``talk``), beside Playwright and a Chromium of the system.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import wave

import numpy as np
import pytest

from bench.fixtures.library import read_pcm, select
from pipelines.audio.resample import resample
from tests.browser.chromium import NEEDED, PHONE, launched, until

pytest.importorskip("aiortc", reason="extra 'talk' is not installed: make test-browser installs it")
pytestmark = [*NEEDED, pytest.mark.realtime]
FIXTURE = "cmd_dance"
RATE_HZ = 48_000
LEAD_S, REST_S = 5.0, 15.0
CALM_S = 90.0
"""The browser tests before this one make the machine busy: so long may it take to calm down."""
LOOK = """() => { window.seen = []; window.words = []; window.states = [];
    const line = document.getElementById("words");
    new MutationObserver(() => words.push(line.textContent)).observe(line, { childList: true });
    const body = document.body;
    new MutationObserver(changes => {
        states.push(...changes.map(c => c.oldValue), body.dataset.state);
    }).observe(body, { attributeFilter: ["data-state"], attributeOldValue: true });
    const look = () => {
    seen.push([loudness(), face.lips.open, face.message.speaking]);
    setTimeout(look, 20); }; look(); }"""
"""Every 20 ms: what is heard and what is shown. (No refresh comes while the face is hidden.) Of the
states every change: one may be shorter than 20 ms."""


@pytest.fixture(scope="module")
def microphone(tmp_path_factory):
    """What the browser takes for its microphone, in a loop: silence, a recorded user, silence."""
    (fixture,) = select(FIXTURE)
    turn = fixture.turns[0]
    spoken = resample(read_pcm(turn), turn.rate_hz, RATE_HZ)
    lead, rest = (np.zeros(round(s * RATE_HZ), np.int16) for s in (LEAD_S, REST_S))
    path = tmp_path_factory.mktemp("microphone") / "user.wav"
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(RATE_HZ)
        out.writeframes(np.concatenate([lead, spoken, rest]).tobytes())
    return path


@pytest.fixture(scope="module")
def browser(microphone):
    yield from launched(
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}",
    )


@pytest.fixture(params=["face", "talk", "face --https", "serve/face", "serve/talk"])
def live(request):
    """``duplex-lab face``, ``talk``, or a page of ``serve``, as a user starts it, until Ctrl-C."""
    until_s = time.monotonic() + CALM_S
    while os.getloadavg()[0] > 1.5 * (os.cpu_count() or 1) and time.monotonic() < until_s:
        time.sleep(1.0)
    command, *options = request.param.split()
    command, _, page = command.partition("/")
    options += [] if page else ["--no-open-page"]
    words = [sys.executable, "-m", "bench.cli.main", command, "cascade-embedded", *options]
    process = subprocess.Popen(
        [*words, "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said = []
    for line in process.stdout:
        said.append(line)
        if found := re.search(r"https?://\S+", line):
            break
    else:
        raise AssertionError("".join(said))
    assert found[0].startswith("https://") == ("--https" in options)
    yield (page, f"{found[0]}/{page}") if page else (command, found[0])
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=20)
    assert "Traceback" not in rest, rest
    assert process.returncode in (0, 130)


def test_a_user_at_the_microphone_is_answered_in_sound_and_in_the_face(live, browser):
    kind, url = live
    # As somebody at a phone who goes on past the warning of a certificate that nobody signed.
    context = browser.new_context(viewport=PHONE, ignore_https_errors=True)
    page = context.new_page()
    page.set_default_timeout(60_000)
    wrong: list[str] = []
    told: list[str | bytes] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda data: told.append(data)))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
    page.goto(url)
    until(page, lambda: page.evaluate("face.mode") == "live")
    assert page.inner_text("#go") == "Start: microphone and sound"
    page.evaluate(LOOK)
    page.click("#go")
    until(page, lambda: "call: connected" in page.inner_text("#status"))

    def answered():
        return page.evaluate("seen.some(row => row[2])") and not page.evaluate(
            "face.message.speaking"
        )

    until(page, answered, tries=600)
    # The browser holds the voice back, on a busy machine by a second: it is heard after it is told.
    silent = "Math.max(...seen.slice(-25).map(row => row[0] ?? 0)) < .002"
    until(page, lambda: page.evaluate(f"seen.some(row => row[0] > .02) && {silent}"), tries=200)
    seen, words, shown = page.evaluate("[seen, words, states]")
    context.close()
    loud = np.array([row[0] or 0.0 for row in seen])
    speaking = np.array([bool(row[2]) for row in seen])
    for who in ("you", "creature"):
        assert any(w.startswith(f"{who}:") for w in words), words
    assert loud.max() > 0.02
    messages = [json.loads(text) for text in told if isinstance(text, str)]
    states = {m["state"] for m in messages if m.get("state")}
    assert {"listening", "thinking"} <= states
    assert states & {"speaking", "acting", "sorry"}
    shown = set(filter(None, shown))
    assert {"listening", "thinking"} <= shown <= states  # however short
    if kind == "face":
        lips = np.array([row[1] for row in seen])
        assert lips[speaking].max() > 0.3
        assert lips[-1] < 0.05
    assert wrong == []
