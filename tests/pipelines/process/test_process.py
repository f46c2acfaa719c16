"""Model processes: replies, cancelling, and every way in which a child can die."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from typing import Any

import psutil
import pytest

from pipelines.errors import ModelError
from pipelines.installation import ROOT
from pipelines.marks import MarkList
from pipelines.process.pool import ModelPool
from pipelines.process.process import ModelProcess
from pipelines.process.wire import Decoder, WireError, pack

DOUBLES = "pipelines.process.doubles"


def make(engine: str = "EchoEngine", **limits: float) -> ModelProcess:
    more: dict[str, Any] = dict(limits)
    return ModelProcess("double", f"{DOUBLES}:{engine}", marks=MarkList(), **more)


@pytest.fixture
async def echo() -> AsyncIterator[ModelProcess]:
    async with make() as process:
        yield process


async def is_gone(pid: int) -> bool:
    """Whether a process ends within ten seconds (a zombie has ended)."""
    for _ in range(200):
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        await asyncio.sleep(0.05)
    return False


async def test_a_request_comes_back_with_its_header_and_payload(echo: ModelProcess) -> None:
    replies = [reply async for reply in echo.request("echo", {"n": 1}, b"\x00\xff")]
    assert replies == [({"greeting": "", "n": 1}, b"\x00\xff")]


async def test_an_idle_model_warms_up_again_and_one_at_work_is_left_alone() -> None:
    async with make("WarmingEngine") as model:
        (reply,) = [header async for header, _ in model.request("times")]
        assert reply == {"times": 1}
        await model.keep_warm()
        busy = model.open("hang")
        await model.keep_warm()
        busy.cancel()
        await busy.wait_ended()
        (reply,) = [header async for header, _ in model.request("times")]
        assert reply == {"times": 2}


async def test_many_replies_of_one_request_keep_their_order(echo: ModelProcess) -> None:
    replies = [header["index"] async for header, _ in echo.request("count", {"n": 500})]
    assert replies == list(range(500))


async def test_a_request_can_be_fed_in_pieces(echo: ModelProcess) -> None:
    request = echo.open("collect", fed=True)
    request.feed(payload=b"ab", last=False)
    request.feed(payload=b"cd", last=True)
    assert [payload async for _, payload in request] == [b"abcd"]


async def test_requests_are_served_one_after_the_other(echo: ModelProcess) -> None:
    first, second = echo.open("count", {"n": 3}), echo.open("echo", {"who": 2})
    assert [h async for h, _ in second] == [{"greeting": "", "who": 2}]
    assert [h["index"] async for h, _ in first] == [0, 1, 2]


async def test_leaving_the_loop_cancels_in_the_child(echo: ModelProcess) -> None:
    replies = echo.request("count", {"n": 10_000, "interval_s": 0.01})
    async for _ in replies:
        break
    await replies.aclose()  # type: ignore[attr-defined]
    # Were the first request not cancelled, this would take 100 s and hit the deadline of 20 s.
    assert [h async for h, _ in echo.request("echo")] == [{"greeting": ""}]


async def test_a_cancelled_request_ends_and_a_waiting_engine_wakes(echo: ModelProcess) -> None:
    request = echo.open("collect", fed=True)
    request.feed(payload=b"ab", last=False)
    echo.cancel(request.id)
    assert [reply async for reply in request] == []
    assert [h async for h, _ in echo.request("echo")] == [{"greeting": ""}]


async def test_sigkill_in_mid_request_is_one_sentence_and_the_next_request_works(
    echo: ModelProcess,
) -> None:
    with pytest.raises(ModelError, match=r"model double crashed \(killed by SIGKILL\).*about to"):
        async for _ in echo.request("crash"):
            pass
    await echo.ensure_running()
    assert [h async for h, _ in echo.request("echo")] == [{"greeting": ""}]


async def test_a_child_that_dies_while_idle_is_started_again(echo: ModelProcess) -> None:
    pid = echo.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert await is_gone(pid)
    await asyncio.sleep(0.2)  # the loop has to see the socket's end
    assert isinstance(echo.marks, MarkList)
    assert "double crashed (killed by SIGKILL)" in (echo.marks.marks[-1].text or "")
    await echo.ensure_running()
    assert echo.pid not in (None, pid)


async def test_asking_a_process_that_does_not_run_is_an_error() -> None:
    with pytest.raises(ModelError, match="double is not running"):
        make().open("echo")


async def test_a_hang_becomes_an_error_at_the_deadline_and_the_child_is_killed() -> None:
    async with make(request_timeout_s=0.3) as process:
        pid = process.pid
        with pytest.raises(ModelError, match=r"gave no answer within 0\.3 s and was killed"):
            async for _ in process.request("hang"):
                pass
        assert pid is not None and await is_gone(pid)
        await process.ensure_running()
        assert process.running


async def test_an_open_request_owes_nothing_while_it_is_being_fed() -> None:
    async with make(request_timeout_s=0.2) as process:
        request = process.open("collect", fed=True)
        await asyncio.sleep(0.5)
        request.feed(payload=b"x", last=True)
        assert [payload async for _, payload in request] == [b"x"]


async def test_an_engine_s_own_error_leaves_the_child_alive(echo: ModelProcess) -> None:
    pid = echo.pid
    for op, said in (("complain", "not understood: ask another"), ("raise", "ValueError: a bug")):
        with pytest.raises(ModelError, match=said):
            async for _ in echo.request(op):
                pass
    assert echo.pid == pid and echo.running


@pytest.mark.parametrize(
    ("engine", "said"),
    [
        ("FailingEngine", r"could not be loaded: the file model.bin is missing: run 'make models'"),
        ("CrashingEngine", r"crashed \(exit status 3\)\. Its last words: cannot map the weights"),
        ("StuckEngine", r"did not load within 1\.5 s and was killed"),
        ("NoSuchEngine", r"could not be loaded: AttributeError.*NoSuchEngine"),
    ],
)
async def test_a_model_that_can_not_load_says_why_in_one_sentence(engine: str, said: str) -> None:
    process = make(engine, load_timeout_s=1.5 if engine == "StuckEngine" else 60.0)
    with pytest.raises(ModelError, match=f"^The model double {said}"):
        await process.ensure_running()
    assert process.pid is None and not process.running


async def test_a_missing_interpreter_is_an_error() -> None:
    process = ModelProcess(
        "double", f"{DOUBLES}:EchoEngine", marks=MarkList(), interpreter="/no/such/python"
    )
    with pytest.raises(ModelError, match="can't be started with /no/such/python"):
        await process.ensure_running()


async def test_starting_and_loading_leave_marks_of_the_child(echo: ModelProcess) -> None:
    sink = echo.marks
    assert isinstance(sink, MarkList)
    events = [f"{m.stage}.{m.event}" for m in sink.marks]
    assert events == [f"agent.{e}" for e in ("process_start", "load_start", "load_end", "warm_end")]
    assert [m.t_ns for m in sink.marks] == sorted(m.t_ns for m in sink.marks)
    assert [m.pid for m in sink.marks] == [os.getpid(), echo.pid, echo.pid, echo.pid]


async def test_marks_of_a_request_go_to_its_sink_with_its_id_and_the_child_s_pid(
    echo: ModelProcess,
) -> None:
    sink = MarkList()
    async for _ in echo.request("marks", request_id="llm-7", marks=sink):
        pass
    assert [(m.event, m.request_id, m.pid, m.text) for m in sink.marks] == [
        ("first_token", "llm-7", echo.pid, None),
        ("end", "llm-7", echo.pid, "done"),
    ]


async def test_the_child_uses_one_thread_and_prints_nowhere(
    echo: ModelProcess, capfd: pytest.CaptureFixture[str]
) -> None:
    replies = [header async for header, _ in echo.request("environment")]
    assert replies[0]["OMP_NUM_THREADS"] == "1" and replies[0]["pid"] == echo.pid
    await echo.stop()
    assert capfd.readouterr() == ("", "")


async def test_ctrl_c_does_not_reach_the_child(echo: ModelProcess) -> None:
    assert echo.pid is not None and os.getpgid(echo.pid) != os.getpgid(0)
    os.kill(echo.pid, signal.SIGINT)
    assert [h async for h, _ in echo.request("echo")] == [{"greeting": ""}]


async def test_a_polite_end_is_no_error(echo: ModelProcess) -> None:
    await echo.stop()
    assert isinstance(echo.marks, MarkList)
    assert [m for m in echo.marks.marks if m.event == "error"] == []


async def test_stopping_twice_and_in_mid_request_leaves_nothing() -> None:
    process = make()
    await process.ensure_running()
    pid = process.pid
    request = process.open("hang")
    await process.stop()
    with pytest.raises(ModelError, match="was stopped"):
        await anext(request)
    await process.stop()
    assert pid is not None and await is_gone(pid) and process.pid is None


def start_python(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT, text=True
    )


async def test_the_child_goes_when_its_parent_is_killed() -> None:
    parent = textwrap.dedent(
        """
        import asyncio, sys
        from pipelines.marks import MarkList
        from pipelines.process.process import ModelProcess

        async def main():
            process = ModelProcess("d", "pipelines.process.doubles:EchoEngine", marks=MarkList())
            await process.ensure_running()
            request = process.open("hang")
            print(process.pid, flush=True)
            await asyncio.sleep(60)

        asyncio.run(main())
        """
    )
    with start_python(parent) as popen:
        assert popen.stdout is not None
        pid = int(await asyncio.to_thread(popen.stdout.readline))
        popen.kill()
    assert await is_gone(pid)


async def test_a_pool_loads_a_model_once_and_stops_it_at_the_end() -> None:
    async with ModelPool(MarkList()) as pool:
        first = await pool.get("a", f"{DOUBLES}:EchoEngine", {"greeting": "hi"})
        again = await pool.get("a", f"{DOUBLES}:EchoEngine", {"greeting": "hi"})
        other = await pool.get("a", f"{DOUBLES}:EchoEngine", {"greeting": "ho"})
        assert first is again and other is not first
        pids = pool.pids
        assert pids == [first.pid, other.pid]
    assert pool.pids == [] and all([await is_gone(pid) for pid in pids])


async def test_a_pool_starts_a_dead_model_again() -> None:
    async with ModelPool(MarkList()) as pool:
        process = await pool.get("a", f"{DOUBLES}:EchoEngine")
        with pytest.raises(ModelError):
            async for _ in process.request("crash"):
                pass
        assert (await pool.get("a", f"{DOUBLES}:EchoEngine")) is process and process.running


def test_messages_survive_being_cut_anywhere() -> None:
    messages = [({"type": "x", "n": n}, bytes(range(n))) for n in (0, 1, 200)]
    stream = b"".join(pack(*message) for message in messages)
    for step in (1, 3, 7, len(stream)):
        decoder = Decoder()
        pieces = [stream[i : i + step] for i in range(0, len(stream), step)]
        assert [m for piece in pieces for m in decoder.feed(piece)] == messages


@pytest.mark.parametrize("noise", [b"\xff" * 8, b"\x02\0\0\0\0\0\0\0[]", b"\x02\0\0\0\0\0\0\0{x"])
def test_bytes_that_are_no_message_are_refused(noise: bytes) -> None:
    with pytest.raises(WireError):
        Decoder().feed(noise)
