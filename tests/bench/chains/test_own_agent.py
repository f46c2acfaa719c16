"""A user's own bot behind the link: heard latency, stage marks, and what its faults are told as."""

import asyncio
import hashlib
import os
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from bench.cli.main import main
from bench.fixtures.library import read_pcm
from bench.runner.plan import Plan, make_plan
from bench.runner.run import open_run
from pipelines.bot import check
from pipelines.bot.load import BotError, load_bot
from pipelines.bot.preset import bot_spec
from pipelines.clock import NS_PER_MS
from pipelines.errors import SpecError
from pipelines.readiness.capability import lacks
from pipelines.server.session import session
from pipelines.server.session.events import AssistantPartial, AudioOut
from pipelines.spec import load_spec, parse_spec
from tests.bench.chains.real_runs import fixture, two_turns
from tests.bench.chains.virtual_call import call_preset

ECHO = '''
import numpy as np
from pipecat.frames.frames import (
    InputAudioRawFrame, LLMContextFrame, LLMFullResponseEndFrame, LLMFullResponseStartFrame,
    LLMTextFrame, TranscriptionFrame, TTSAudioRawFrame, TTSStartedFrame, TTSStoppedFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.task import PipelineTask
from pipecat.pipeline.worker import PipelineParams
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameProcessor
from pipecat.runner.utils import create_transport
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner

SILENT_CHUNKS = 15  # 300 ms


class Echo(FrameProcessor):
    """Says a tone when the user has been silent for 300 ms, and a word when it is greeted."""

    def __init__(self):
        super().__init__()
        self.silent = None

    async def process_frame(self, frame, direction):
        await super().process_frame(frame, direction)
        if not isinstance(frame, InputAudioRawFrame):
            await self.push_frame(frame, direction)
            return
        loud = np.abs(np.frombuffer(frame.audio, np.int16).astype(int)).max() > 300
        if loud:
            self.silent = 0
        elif self.silent is not None:
            self.silent += 1
            if self.silent == SILENT_CHUNKS:
                self.silent = None
                await self.push_frame(TranscriptionFrame("hello there", "", ""))
                await self.push_frame(LLMContextFrame(LLMContext()))
                await self.say("I hear you.")

    async def say(self, text):
        await self.push_frame(LLMFullResponseStartFrame())
        await self.push_frame(LLMTextFrame(text))
        await self.push_frame(LLMFullResponseEndFrame())
        tone = 8000 * np.sin(2 * np.pi * 440 * np.arange(12000) / 24000)
        await self.push_frame(TTSStartedFrame(context_id="c"))
        await self.push_frame(
            TTSAudioRawFrame(tone.astype(np.int16).tobytes(), 24000, 1, context_id="c")
        )
        await self.push_frame(TTSStoppedFrame(context_id="c"))


async def bot(runner_args):
    transport = await create_transport(
        runner_args,
        {"twilio": None, "webrtc": lambda: TransportParams(
            audio_in_enabled=True, audio_out_enabled=True)},
    )
    echo = Echo()
    task = PipelineTask(Pipeline([transport.input(), echo, transport.output()]))
    runner = WorkerRunner(handle_sigint=False)

    @task.rtvi.event_handler("on_client_ready")
    async def on_client_ready(rtvi):
        await echo.say("Welcome.")

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(transport, client):
        await runner.cancel()

    await runner.add_workers(task)
    await runner.run()
'''


def hello():
    return fixture("greet_hello")


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """The bot above; its preset is one line."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "echo_bot.py").write_text(ECHO, encoding="utf-8")
    (folder / "mine.toml").write_text('bot = "echo_bot.py"\n', encoding="utf-8")
    return load_spec(str(folder / "mine.toml"))


@pytest.fixture(scope="module")
def called(preset):
    """The bot in a conversation of two turns."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a bot as people have them
        return call_preset(preset, two_turns())


def events(called, *names):
    return [m for m in called.marks if f"{m.stage}.{m.event}" in names]


def ms(end, start):
    return (end.t_ns - start.t_ns) / NS_PER_MS


def test_a_preset_of_one_line_runs_a_bot_unchanged(called):
    assert (called.trial.status, called.trial.error) == ("ok", None)


def test_what_is_heard_of_a_bot_is_what_its_link_wrote(called):
    offs = events(called, "user.speech_off")
    firsts = events(called, "tts.first_byte")[1:]  # without the greeting's
    writes = events(called, "link.write")
    assert len(offs) == len(firsts) == 2
    for turn, (off, first) in enumerate(zip(offs, firsts, strict=True)):
        write = next(m for m in writes if m.t_ns >= first.t_ns)
        heard_ms = called.row("voice_to_voice", turn).value
        assert heard_ms == pytest.approx(ms(write, off), abs=0.1)  # the tone begins at zero
        assert 300 <= heard_ms < 320  # the bot's silence, to the end of a chunk of 20 ms


def test_the_caller_waits_until_the_bot_has_greeted(called):
    greeting = events(called, "tts.first_byte")[0]
    first_turn = events(called, "user.turn_start")[0]
    assert 2000 <= ms(first_turn, greeting) < 3000  # 500 ms of greeting and 1.5 s of silence


def test_a_bots_stages_are_marked_from_its_frames_on_the_machines_clock(called):
    names = ("stt.final", "llm.request", "llm.first_token", "llm.end", "tts.request", "tts.end")
    off, *_ = events(called, "user.speech_off")
    after = [m for m in events(called, *names, "tts.first_byte") if m.t_ns > off.t_ns][:7]
    assert [f"{m.stage}.{m.event}" for m in after] == [
        *names[:5],
        "tts.first_byte",
        "tts.end",
    ]
    assert after[0].text == "hello there"
    assert after[3].text == "I hear you."
    assert after[6].value == 12000
    assert after[4].request_id.startswith(after[1].request_id + "/")
    assert 300 <= ms(after[0], off) < 320


@pytest.fixture(scope="module")
def info(preset, tmp_path_factory):
    """What ``run.json`` says of a run of it."""
    return open_run(Plan((preset,), (hello(),), 1), tmp_path_factory.mktemp("run"), resume=False)


def test_the_bots_file_stands_in_the_run_with_its_checksum(info):
    (model,) = info["presets"]["mine"]["models"]
    assert model["file"] == "echo_bot.py"
    assert model["sha256"] == hashlib.sha256(ECHO.encode()).hexdigest()


def test_a_bots_preset_can_be_read_again_from_what_the_run_keeps(info, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    again = parse_spec("mine", info["plan"]["presets"]["mine"])
    assert again.stages["bot"].path.is_file()


BOTS = {
    "syntax": ("async def bot(runner_args:\n", "syntax.py, line 1: '(' was never closed"),
    "none": ("x = 1\n", "none.py has no function 'bot'"),
    "plain": ("def bot(runner_args):\n    pass\n", "'bot' must be async def"),
    "two": ("async def bot(a, b):\n    pass\n", "bot must take one argument"),
    "missing": ("import numpy\nimport no_such_thing\n", "line 2 needs the package 'no_such_thing'"),
    "raises": ("\n\nint('x')\n", "raises.py, line 3 can't be imported: ValueError"),
    "exits": ("import sys\nsys.exit(0)\n", "ends the program while it is imported"),
    "null": ("a = 1\0\n", "null"),
}


@pytest.mark.parametrize("name", BOTS)
def test_a_bot_that_cannot_be_imported_is_one_sentence(name, tmp_path):
    source, told = BOTS[name]
    path = tmp_path / f"{name}.py"
    path.write_text(source, encoding="utf-8")
    with pytest.raises(BotError) as error:
        load_bot(path)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_bot_that_is_not_there_is_reported_as_its_name_is_read(tmp_path):
    with pytest.raises(BotError, match=r"There is no bot .*gone\.py"):
        bot_spec(tmp_path / "gone.py")
    with pytest.raises(BotError, match=r"is a folder: give the Python file"):
        bot_spec(tmp_path)
    preset = tmp_path / "mine.toml"
    preset.write_text('bot = "gone.py"\n', encoding="utf-8")
    assert any("There is no bot" in why for why in lacks(load_spec(str(preset))))


def typed(*words):
    """The exit code of ``duplex-lab WORDS``."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(sys, "argv", ["duplex-lab", *words])
        main()
    return ended.value.code


@pytest.mark.parametrize("name", ["gone", "folder", "none", "missing", "kills"])
def test_a_run_that_its_bot_forbids_leaves_nothing_behind(name, tmp_path, monkeypatch, capfd):
    sources = {
        "none": BOTS["none"][0],
        "missing": "print('not', 'this')\nimport no_such_thing\n",
        "kills": "import os\nos._exit(0)\n",
    }
    told = {
        "gone": "There is no bot",
        "folder": "is a folder",
        "none": "none.py has no function 'bot'",
        "missing": "missing.py, line 2 needs the package 'no_such_thing'",
        "kills": "kills.py ended the process that imported it (exit status 0)",
    }
    monkeypatch.chdir(tmp_path)
    if name in sources:
        (tmp_path / f"{name}.py").write_text(sources[name], encoding="utf-8")
    if name == "folder":
        (tmp_path / "folder.py").mkdir()
    before = sorted(tmp_path.rglob("*"))
    assert typed("run", "--bot", f"{name}.py", "--fixtures", "greet_hello") == 2
    out, err = capfd.readouterr()
    assert told[name] in " ".join(err.split())
    assert "Traceback" not in err and "not this" not in out + err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_bot_may_take_its_time_to_be_imported_but_not_for_ever(tmp_path, monkeypatch):
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(60)\n", encoding="utf-8")
    monkeypatch.setattr(check, "IMPORT_S", 0.2)
    with pytest.raises(BotError, match=r"slow\.py was still being imported after 0 s"):
        check.provide(bot_spec(tmp_path / "slow.py"), lambda words: None)


def test_a_face_reports_what_is_missing_before_it_waits_for_a_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_text('bot = "gone.py"\n', encoding="utf-8")
    assert typed("face", "mine.toml", "--fixtures", "greet_hello", "--no-open-page") == 2
    out, err = capsys.readouterr()
    assert "There is no bot" in " ".join(err.split()) and "Waiting for the page" not in out
    assert [p.name for p in tmp_path.iterdir()] == ["mine.toml"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of a bot as people have them
async def test_a_bot_can_be_talked_to_by_the_server_as_any_preset(tmp_path):
    (tmp_path / "my.py").write_text(ECHO, encoding="utf-8")
    (tmp_path / "mine.toml").write_text('bot = "my.py"\n', encoding="utf-8")
    (heard,) = hello().turns
    words, sounds = [], 0
    async with session(str(tmp_path / "mine.toml")) as talk:
        rate = talk.in_rate_hz
        silence = np.zeros(rate, np.int16)
        pcm = np.concatenate([silence, read_pcm(heard), silence, silence])

        async def speak():
            for piece in np.array_split(pcm, len(pcm) // (rate // 50)):
                talk.push(piece.tobytes())
                await asyncio.sleep(len(piece) / rate)
            await talk.stop()

        speaking = asyncio.create_task(speak())
        async for event in talk.events():
            if isinstance(event, AudioOut):
                sounds += event.samples
            elif isinstance(event, AssistantPartial):
                words.append(event.text)
        await speaking
    assert words == ["Welcome.", "I hear you."]
    assert sounds >= 2 * 12_000


TALKS = {
    "early": ("    return\n", "bot() returned without a transport"),
    "late": ("    {ask}\n", "bot() returned without running a pipeline"),
    "error": ("    {ask}\n    raise ValueError('no key')\n", "line 6: bot() raised ValueError: no"),
    "itself": (
        "    raise TypeError('no connection')\n",
        "TypeError: no connection, before it asked create_transport for its transport",
    ),
    "wanted": ("    {ask}\n", "has no transport 'daily': it has webrtc"),
    "never": ("    await asyncio.sleep(60)\n", "asked for no transport within 0 s"),
    "idle": ("    {ask}\n    await asyncio.sleep(60)\n", "started no pipeline within 0 s"),
    "rate": (
        "    {ask}\n    await runs(transport, 8000)\n",
        "listens at 8000 Hz and the caller speaks at 16000 Hz: put in_rate_hz = 8000",
    ),
    "ends": ("    {ask}\n    await runs(transport, 16000)\n", "returned before the caller had"),
}
HEAD = "import asyncio\nfrom pipecat.runner.utils import create_transport\nfrom helpers import *\n"
ASK = "transport = await create_transport(args, {'webrtc': params})"
HELPERS = """
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner
params = lambda: TransportParams(audio_in_enabled=True, audio_out_enabled=True)
async def runs(transport, rate):
    worker = PipelineWorker(
        Pipeline([transport.input(), transport.output()]),
        params=PipelineParams(audio_in_sample_rate=rate),
    )
    runner = WorkerRunner(handle_sigint=False)
    @worker.event_handler("on_pipeline_started")
    async def started(worker, frame):
        await runner.cancel()
    await runner.add_workers(worker)
    await runner.run()
"""


@pytest.mark.parametrize("name", TALKS)
def test_a_bot_that_fails_in_the_conversation_is_one_sentence(name, tmp_path, monkeypatch):
    from bench.agent.wire import Wire
    from pipelines.bot import session
    from pipelines.host import Host
    from pipelines.link.transport import LinkTransport
    from pipelines.marks import MarkList

    monkeypatch.setenv("PIPECAT_SETUP_FILES", "")
    if name in ("never", "idle"):
        monkeypatch.setattr(session, "CONNECT_S", 0.3)
        monkeypatch.setattr(session, "LEAVE_S", 0.1)
    body, told = TALKS[name]
    (tmp_path / "helpers.py").write_text(HELPERS, encoding="utf-8")
    source = f"{HEAD}async def bot(args):\n{body.replace('{ask}', ASK)}"
    (tmp_path / f"bot_{name}.py").write_text(source, encoding="utf-8")
    options = "transport = 'daily'\n" if name == "wanted" else ""
    toml = f"[bot]\nfile = 'bot_{name}.py'\nfolder = '{tmp_path}'\n{options}"
    spec = parse_spec("mine", toml)

    async def listen(reader, writer):
        await reader.read()
        writer.close()

    async def talk():
        socket = str(tmp_path / "s")
        server = await asyncio.start_unix_server(listen, socket)
        marks = MarkList()
        wire = await Wire.connect(socket, marks)
        host = Host(
            spec,
            LinkTransport(wire, spec.audio),
            marks,
            None,
            closed=wire.closed,
            open_transport=lambda params: LinkTransport(wire, spec.audio, params),
            watch=lambda worker: None,
        )
        try:
            return await session.converse(host)
        finally:
            await wire.close()
            server.close()
            await asyncio.sleep(0.05)

    fault = asyncio.run(talk())
    assert told in fault
    assert "\n" not in fault


def test_bot_stands_alone_in_a_preset():
    with pytest.raises(SpecError, match="leave architecture = 'cascade' out"):
        parse_spec("mine", 'bot = "x.py"\narchitecture = "cascade"\n')
    with pytest.raises(SpecError, match="did you mean 'greeting_s'"):
        parse_spec("mine", '[bot]\nfile = "x.py"\ngreetings = 1\n')


def test_a_bot_is_named_on_the_command_line_alone_or_beside_presets(tmp_path, monkeypatch):
    (tmp_path / "my_bot.py").write_text(ECHO, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    alone = make_plan("", "greet_hello", 1, Path("my_bot.py"))
    assert [(spec.name, spec.stages["bot"].path) for spec in alone.specs] == [
        ("my_bot", tmp_path / "my_bot.py")
    ]
    beside = make_plan("cascade-stock", "greet_hello", 1, Path("my_bot.py"))
    assert [spec.name for spec in beside.specs] == ["cascade-stock", "my_bot"]


def test_pipecats_hooks_that_the_user_has_are_kept(monkeypatch):
    from pipelines.bot import session

    monkeypatch.setenv("PIPECAT_SETUP_FILES", "mine.py")
    session.give_links()
    session.give_links()
    assert os.environ["PIPECAT_SETUP_FILES"].split(os.pathsep) == ["mine.py", session.HOOKS]
