"""The output of a server that was started: bounded, its keys struck out, its end at hand."""

import os

from bench.agent import server_log
from bench.agent.server_log import ServerLog


def logged(path, text, **more):
    read, write = os.pipe()
    with os.fdopen(read, "rb") as output:
        log = ServerLog(output, path, **more)
        with os.fdopen(write, "wb") as said:
            said.write(text)
        log.close()
    return log


def test_what_is_too_much_is_left_out_between_the_beginning_and_the_end(tmp_path, monkeypatch):
    monkeypatch.setattr(server_log, "MAX_BYTES", 200)
    monkeypatch.setattr(server_log, "LAST_LINES", 3)
    lines = b"".join(b"line %03d\n" % i for i in range(100))
    log = logged(tmp_path / "a.log", lines)
    kept = (tmp_path / "a.log").read_text(encoding="utf-8").splitlines()[1:]
    first = kept.index("")
    assert kept[:first] == [f"line {i:03}" for i in range(first)]
    assert kept[first + 1] == f"--- {97 - first} lines are left out here"
    assert kept[first + 2 :] == ["line 097", "line 098", "line 099"]
    assert log.end() == "line 097\nline 098\nline 099"


def test_a_key_is_struck_out_though_its_variable_has_an_innocent_name(tmp_path):
    log = logged(tmp_path / "a.log", b"I use hush-hush-123\n", keys=["hush-hush-123", ""])
    assert log.end() == "I use ***"
    assert "hush" not in (tmp_path / "a.log").read_text(encoding="utf-8")


def test_bytes_that_are_no_text_and_a_line_without_an_end_are_kept(tmp_path):
    logged(tmp_path / "a.log", b"\xff\xfe" + b"x" * 40_000)
    assert len((tmp_path / "a.log").read_text(encoding="utf-8").splitlines()[1]) == 40_002
