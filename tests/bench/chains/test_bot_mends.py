"""What a bot is told to do: another Pipecat, a missing extra, a second conversation that fails."""

import asyncio
from importlib.metadata import version

import pytest

from bench.agent.wire import Wire
from pipelines.bot import session
from pipelines.bot.load import BotError, load_bot
from pipelines.bot.mend import mend_of
from pipelines.host import Host
from pipelines.link.transport import LinkTransport
from pipelines.marks import MarkList
from pipelines.spec import parse_spec

PIPECAT = version("pipecat-ai")
OLD = """
from pipecat.pipeline.task import PipelineTask
from pipecat.processors.aggregators.openai_llm_context import OpenAILLMContext
async def bot(runner_args): pass
"""
GONE = "from pipecat.frames.frames import NoSuchFrame\nasync def bot(runner_args): pass\n"
EXTRA = """
from loguru import logger
logger.error("Exception: No module named 'aiortc'")
logger.error('In order to use the SmallWebRTC, you need to `uv add "pipecat-ai[webrtc]"`.')
raise ImportError("Missing module: No module named 'aiortc'")
"""
IMPORTS = {
    "old": (
        OLD,
        f"old.py, line 3 is written for another version of Pipecat: the installed {PIPECAT} has no "
        "module pipecat.processors.aggregators.openai_llm_context; port the bot to "
        f"{PIPECAT}.",
    ),
    "gone": (
        GONE,
        f"gone.py, line 1 is written for another version of Pipecat: the installed {PIPECAT} has "
        f"no NoSuchFrame in pipecat.frames.frames; port the bot to {PIPECAT}.",
    ),
    "extra": (
        EXTRA,
        "extra.py, line 5 needs Pipecat's extra 'webrtc', which is not installed: run uv pip "
        f"install 'pipecat-ai[webrtc]=={PIPECAT}' in the environment of duplex-lab.",
    ),
}


@pytest.mark.parametrize("name", IMPORTS)
def test_a_bot_whose_import_fails_is_told_its_own_mend(name, tmp_path):
    source, told = IMPORTS[name]
    (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
    with pytest.raises(BotError) as error:
        load_bot(tmp_path / f"{name}.py")
    assert str(error.value) == told


def test_only_a_missing_module_asks_for_an_extra():
    logged = ["you need to `uv add pipecat-ai[webrtc]`"]
    assert mend_of(ValueError("no key"), logged) == ""
    assert "'webrtc'" in mend_of(Exception("Missing module: aiortc"), logged)
    assert "install what the bot needs" in mend_of(ModuleNotFoundError("x", name="x"), logged)


ONCE = """
from loguru import logger
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.runner.utils import create_transport
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner

USED = []

async def bot(args):
    params = lambda: TransportParams(audio_in_enabled=True, audio_out_enabled=True)
    transport = await create_transport(args, {"webrtc": params})
    worker = PipelineWorker(Pipeline([transport.input(), transport.output()]))
    runner = WorkerRunner(handle_sigint=False)
    @transport.event_handler("on_client_disconnected")
    async def gone(*_):
        await runner.cancel()

    if USED:
        @worker.event_handler("on_pipeline_started")
        async def started(worker, frame):
            logger.error("LLM#0 is used up.")
            await runner.cancel()
    USED.append(worker)
    await runner.add_workers(worker)
    await runner.run()
"""


async def converse(spec, folder, number, hang_up_s):
    async def listen(reader, writer):
        await reader.read()
        writer.close()

    socket = str(folder / str(number))
    server = await asyncio.start_unix_server(listen, socket)
    wire = await Wire.connect(socket, MarkList())
    host = Host(
        spec,
        LinkTransport(wire, spec.audio),
        MarkList(),
        None,
        closed=wire.closed,
        open_transport=lambda params: LinkTransport(wire, spec.audio, params),
        watch=lambda worker: None,
    )
    if hang_up_s:
        asyncio.get_running_loop().call_later(hang_up_s, wire.closed.set)
    try:
        return await session.converse(host)
    finally:
        await wire.close()
        server.close()
        await asyncio.sleep(0.05)


def test_a_second_conversation_that_fails_tells_pipecats_last_error_and_what_to_look_for(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("PIPECAT_SETUP_FILES", "")
    monkeypatch.setattr(session, "_one_went_well", False)
    (tmp_path / "once.py").write_text(ONCE, encoding="utf-8")
    spec = parse_spec("once", f"[bot]\nfile = 'once.py'\nfolder = '{tmp_path}'\n")

    async def both():
        first = await converse(spec, tmp_path, 1, hang_up_s=1.0)
        return first, await converse(spec, tmp_path, 2, hang_up_s=0.0)

    first, second = asyncio.run(both())
    assert first is None
    assert second == (
        "once.py: bot() returned before the caller had hung up. Pipecat's last error: LLM#0 is "
        f"used up. {session.USED_UP}"
    )
