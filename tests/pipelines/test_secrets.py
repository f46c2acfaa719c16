"""Keys are struck out in whichever form a service repeats them."""

import base64
import json
from urllib.parse import quote, quote_plus

import pytest

from pipelines.secrets import redact, secrets

KEY = "sk-test+/9f 8e7d6c5b4a?3210é"
ENV = {"SOME_API_KEY": KEY, "HOME": "/home/somebody", "DEBUG_TOKEN": "true"}


@pytest.mark.parametrize(
    "form",
    [
        KEY,
        quote(KEY, safe=""),
        quote(KEY, safe="").lower(),
        quote_plus(KEY),
        json.dumps(KEY)[1:-1],
        base64.b64encode(KEY.encode()).decode(),
        base64.urlsafe_b64encode(KEY.encode()).decode(),
    ],
)
def test_a_key_is_struck_out_in_every_form(form):
    told = redact(f"401 for {form} at /home/somebody: true", ENV)
    assert told.startswith("401 for ***")
    assert told.endswith(" at /home/somebody: true")
    assert len(told) <= len("401 for *** at /home/somebody: true") + 2


@pytest.mark.parametrize("user", ["", "a", "ab", "api"])
def test_a_key_within_a_basic_header_is_struck_out(user):
    head = base64.b64encode(f"{user}:{KEY}".encode()).decode()
    told = redact(f"Authorization: Basic {head}", ENV)
    assert "***" in told
    assert base64.b64encode(KEY.encode()).decode()[4:20] not in told
    assert len(told) < len("Authorization: Basic ") + len(user) + 12


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"key …{KEY[-4:]}", "key ***"),
        (f"key sk-****{KEY[-6:]} is wrong", "key sk-*** is wrong"),
        (f"ends in {KEY[-12:]}.", "ends in ***."),
        (f"twice {KEY[-9:]} {KEY[-8:]}", "twice *** ***"),
        (f"four letters {KEY[-4:]}", f"four letters {KEY[-4:]}"),
    ],
)
def test_a_keys_end_is_struck_out_where_it_is_told_as_such(text, told):
    assert redact(text, ENV) == told


@pytest.mark.parametrize(
    "name",
    ["GITHUB_PAT", "PAT", "REGISTRY_AUTH", "DB_PASS", "ssh_passphrase", "HTTP_AUTHORIZATION"],
)
def test_a_variable_is_secret_by_its_name(name):
    assert secrets({name: "0123456789"}) == ["0123456789"]


@pytest.mark.parametrize("name", ["PATH", "PWD", "AUTHOR", "COMPATIBLE", "XAUTH_FILE"])
def test_a_name_that_only_looks_like_one_is_not(name):
    assert secrets({name: "/usr/bin:/bin"}) == []


def test_a_urls_password_is_struck_out_wherever_it_comes_from():
    env = {"HTTPS_PROXY": "http://me:hunter%212@proxy.example:3128", "OTHER": "http://host:80/a@b"}
    assert secrets(env) == ["hunter%212", "hunter!2"]
    assert redact("407 for me with hunter!2", env) == "407 for me with ***"
    url = "redis://:pw@host:6379/0 and wss://a:b@c/d?e=f and http://host:80/x"
    assert (
        redact(url, {}) == "redis://:***@host:6379/0 and wss://a:***@c/d?e=f and http://host:80/x"
    )
