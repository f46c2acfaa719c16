"""A memory is its owner's: exported, kept for as long as they say, and forgotten without a rest."""

import contextlib
import json
import time

import httpx
import jwt
import pytest
from typer.testing import CliRunner

from bench.cli.live.memory import app
from pipelines.errors import LabError
from pipelines.server.access.tokens import from_secret
from pipelines.server.app.address import Address
from pipelines.server.app.run import serving
from pipelines.server.memory.disk.owner import owned
from pipelines.server.memory.memories import Memories
from pipelines.server.memory.options import MemoryOptions
from pipelines.server.service.service import VoiceService
from tests.pipelines.server.memory.remembered import Calendar, memories

SECRET = "s" * 32
TEXTS = ("My name is Ada.", "I'm allergic to peanuts.")


def told(house, user="ada", texts=TEXTS):
    for text in texts:
        house.of(user, "before").keep("user", text).result(10)


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)


def on_disk(folder, word):
    """Files of the memory in which a word can be read."""
    return [p.name for p in folder.iterdir() if word.encode() in p.read_bytes()]


def test_a_memory_is_listed_exported_kept_for_and_forgotten_while_the_server_uses_it(tmp_path):
    calendar = Calendar()
    with contextlib.closing(memories(tmp_path, calendar)) as house:
        told(house)
        told(house, "ben", ["My dog is called Rex."])
        (row,) = [
            r
            for r in json.loads(run("list", "--folder", tmp_path, "--format", "json").output)
            if r["user"] == "ada"
        ]
        assert (row["utterances"], row["first"], row["days"]) == (
            2,
            "2026-09-21T14:13:20+00:00",
            None,
        )
        lines = [
            json.loads(x) for x in run("export", "ada", "--folder", tmp_path).output.splitlines()
        ]
        assert [line["text"] for line in lines] == list(TEXTS)
        assert lines[0] == {
            "number": 1,
            "said": "2026-09-21T14:13:20+00:00",
            "source": "user",
            "text": TEXTS[0],
            "importance": 0.95,
            "conversation": "before",
        }
        run("keep", "ada", "--folder", tmp_path, "--days", 7)
        assert [one.days for one in owned(tmp_path)] == [7, None]
        run("forget", "ada", "--folder", tmp_path, "--number", 2, "--yes")
        assert on_disk(tmp_path, "peanuts") == [] and len(on_disk(tmp_path, "name is Ada")) == 1
        assert "forgotten" in run("forget", "ada", "--folder", tmp_path, "--yes").output
        assert on_disk(tmp_path, "Ada") == on_disk(tmp_path, "ada") == []
        assert len(on_disk(tmp_path, "Rex")) == 1
        told(house, texts=["I live in Bristol now."])  # the server goes on
        assert [one.utterances for one in owned(tmp_path)] == [1, 1]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("export", "eve"), "nothing is remembered of 'eve'"),
        (("forget", "eve", "--yes"), "nothing is remembered of 'eve'"),
        (("keep", "eve", "--days", "3"), "nothing is remembered of 'eve'"),
        (("forget", "ada", "--number", "9", "--yes"), "there is no utterance 9"),
    ],
)
def test_what_is_not_there_is_one_sentence(tmp_path, arguments, why):
    with contextlib.closing(memories(tmp_path, Calendar())) as house:
        told(house)
        with pytest.raises(LabError, match=why):
            run(*arguments, "--folder", tmp_path)
        with pytest.raises(LabError, match="no such folder"):
            run("list", "--folder", tmp_path / "none")


def token(**claims):
    given = {"aud": "duplex-lab", "exp": int(time.time()) + 60, "scope": "voice", **claims}
    return {"Authorization": f"Bearer {jwt.encode(given, SECRET, 'HS256')}"}


async def test_a_user_reads_and_forgets_their_own_memory_by_their_token_and_no_other(tmp_path):
    memory = Memories(MemoryOptions(folder=tmp_path), Calendar())
    service = VoiceService([], steps=("passthrough",), memory=memory)
    async with (
        serving(service, Address(port=0), from_secret(SECRET)) as url,
        httpx.AsyncClient(base_url=url) as client,
    ):
        told(memory)
        told(memory, "ben", ["My dog is called Rex."])
        ada, ben = token(sub="ada"), token(sub="ben")
        own = await client.get("/v1/memory", headers=ada)
        assert [json.loads(line)["text"] for line in own.text.splitlines()] == list(TEXTS)
        for query in ("?user=ben", "?sub=ben", "?number=1&user=ben"):
            again = await client.get(f"/v1/memory{query}", headers=ada)
            assert again.text == own.text
        assert (await client.get("/v1/memory")).status_code == 401
        assert (await client.get("/v1/memory", headers=token())).status_code == 403
        kept = await client.put("/v1/memory", headers=ada, json={"days": 30})
        assert kept.json() == {"days": 30}
        for wrong in ({"days": 0}, {"days": "x"}, {"days": True}, {}):
            assert (await client.put("/v1/memory", headers=ada, json=wrong)).status_code == 400
        assert (await client.put("/v1/memory", headers=ada, content=b"[")).status_code == 400
        assert (await client.delete("/v1/memory?number=x", headers=ada)).status_code == 400
        one = await client.delete("/v1/memory?number=2", headers=ada)
        assert one.json() == {"forgotten": 1}
        assert (await client.delete("/v1/memory", headers=ada)).json() == {"forgotten": 1}
        assert (await client.get("/v1/memory", headers=ada)).text == ""
        assert "Rex" in (await client.get("/v1/memory", headers=ben)).text


async def test_a_server_without_a_memory_says_so(tmp_path):
    service = VoiceService([], steps=("passthrough",))
    async with serving(service, Address(port=0)) as url, httpx.AsyncClient(base_url=url) as client:
        said = await client.get("/v1/memory")
    assert (said.status_code, said.text) == (404, "this server remembers nothing\n")


async def test_a_server_whose_memory_can_t_be_written_does_not_begin(tmp_path):
    folder = tmp_path / "a file"
    folder.write_text("")
    memory = Memories(MemoryOptions(folder=folder))
    service = VoiceService([], steps=("passthrough",), memory=memory)
    with pytest.raises(LabError, match=r"a file can't be made or written: File exists; choose an"):
        async with serving(service, Address(port=0)):
            pass
