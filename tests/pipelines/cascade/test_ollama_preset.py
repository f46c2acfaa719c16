"""The preset cascade-ollama: what it says without a server, and a conversation with a double."""

import json

import pytest

from bench.machine.matrix import row_of
from pipelines.cascade.llm_server import load_ollama
from pipelines.cascade.llm_server_double import ChatServerDouble
from pipelines.engines.options import LlmOptions
from pipelines.engines.servers import lacks
from pipelines.errors import SpecError
from pipelines.server.session import session
from pipelines.server.session.events import AssistantPartial, TurnEnd, Usage, UserText
from pipelines.spec import load_spec

NOBODY = "http://127.0.0.1:9/v1"


def at(url, model="phi4-mini", **more):
    return LlmOptions(engine="ollama", model=model, url=url, **more)


def preset_at(url, folder):
    """The preset with another address, as a file of one's own."""
    toml = load_spec("cascade-ollama").toml
    path = folder / "mine.toml"
    path.write_text(toml.replace('engine = "ollama"', f'engine = "ollama"\nurl = "{url}"'))
    return str(path)


def test_without_a_server_the_matrix_says_how_to_get_one(tmp_path):
    row = row_of(preset_at(NOBODY, tmp_path))
    assert not row.available
    assert row.missing == (
        f"no server answers at {NOBODY}: start it (ollama serve), or set url under [llm].",
    )


async def test_what_a_server_lacks_is_a_sentence(monkeypatch):
    import asyncio

    def look(options):
        return asyncio.to_thread(lacks, options)

    double = ChatServerDouble(models=["phi4-mini:latest"], key="secret")
    async with double.serve() as url:
        assert "refuses the key" in await look(at(url))
        assert await look(at(url, api_key_variable="A_KEY")) == (
            "the key in the environment variable A_KEY is missing."
        )
        monkeypatch.setenv("A_KEY", "secret")
        assert await look(at(url, api_key_variable="A_KEY")) == ""
        assert (await look(at(url, "llama9", api_key_variable="A_KEY"))).endswith(
            "is missing on the server at " + url + ": ollama pull llama9."
        )


async def test_the_server_loads_the_model_before_anybody_speaks_and_keeps_it():
    double = ChatServerDouble(models=["phi4-mini:latest"])
    async with double.serve() as url:
        await load_ollama(at(url))
        await load_ollama(at(url, settings={"keep_alive": "-1"}))
    assert double.loaded == [
        {"model": "phi4-mini", "keep_alive": "30m", "stream": False},
        {"model": "phi4-mini", "keep_alive": "-1", "stream": False},
    ]
    broken = ChatServerDouble(models=["phi4-mini"], status=500)
    async with broken.serve() as url:
        with pytest.raises(SpecError, match=r"can't load 'phi4-mini': .*not enough memory"):
            await load_ollama(at(url))
    with pytest.raises(SpecError, match="no server of OpenAI's protocol answers at"):
        await load_ollama(at(NOBODY))


@pytest.mark.timeout(120)
async def test_a_conversation_goes_through_the_server(tmp_path):
    double = ChatServerDouble(["The cup ", "is red."], models=["phi4-mini:latest"])
    async with double.serve() as url:
        words, used = [], []
        async with session(preset_at(url, tmp_path)) as talk:
            await talk.send(UserText("what colour is the cup?"))
            async for event in talk.events():
                if isinstance(event, AssistantPartial):
                    words.append(event.text)
                used += [event] if isinstance(event, Usage) else []
                if isinstance(event, TurnEnd) and event.side == "agent":
                    break
        assert "".join(words) == "The cup is red."
    assert [(one.read > 10, one.written) for one in used] == [(True, 2)]  # as the server counts
    (body,) = double.asked
    assert body["messages"][0]["role"] == "system" and "short sentences" in json.dumps(body)
    assert body["messages"][-1] == {"role": "user", "content": "what colour is the cup?"}
    assert double.loaded[0]["keep_alive"] == "30m"
