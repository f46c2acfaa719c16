"""Keeps keys out of files and printed text: the values of secret environment variables are struck
out.

Services put their key, or the address that holds it, into their own error texts: as it is, encoded
for a URL, in base64 (an Authorization header), or its last characters only.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, quote_plus, unquote

STRUCK = "***"
_NAMES = re.compile(
    r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|AUTHORIZATION"
    r"|(?:^|_)(?:PAT|AUTH|PASS|PW)$",
    re.IGNORECASE,
)
_SHORTEST = 8
"""A shorter value, ``true`` for instance, is no secret, and would strike out innocent words."""
_SHORTEST_OF_URL = 6
"""The same of a URL's password, which surely is one."""
_SUFFIX = 8
"""So many last characters of a secret of twice the length are struck out too."""
_MASKED_SUFFIX = 4
"""So many, where what stands before them is masked: ``sk-…1234``, ``****1234``."""
_MASK = r"(?:\*{2,}|\.{3}|…|•+|[xX]{4,})"
_URL_PASSWORD = re.compile(r"(?<=://)([^\s/?#:@]*):([^\s/?#@]+)@")
"""``user:password@`` of a URL."""


def secrets(environment: Mapping[str, str] | None = None) -> list[str]:
    """Values of the environment that look secret, the longest first.

    They are the values of variables with a secret's name, and the passwords of URLs in any.
    """
    env = os.environ if environment is None else environment
    found = {v for k, v in env.items() if _NAMES.search(k) and len(v) >= _SHORTEST}
    for value in env.values():
        for _, password in _URL_PASSWORD.findall(value):
            found |= {p for p in (password, unquote(password)) if len(p) >= _SHORTEST_OF_URL}
    return sorted(found, key=len, reverse=True)


def redact(text: str, environment: Mapping[str, str] | None = None) -> str:
    """The text without the environment's secrets, and without the passwords of its URLs."""
    text = _URL_PASSWORD.sub(rf"\1:{STRUCK}@", text)
    for secret in secrets(environment):
        for form in sorted(set(_forms(secret)), key=len, reverse=True):
            text = text.replace(form, STRUCK)
        text = _without_end(text, secret)
    return text


def _forms(secret: str) -> Iterator[str]:
    """How a secret may be written."""
    yield secret
    yield json.dumps(secret)[1:-1]
    for encoded in (quote(secret, safe=""), quote(secret), quote_plus(secret)):
        yield encoded
        yield re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), encoded)
    data = secret.encode("utf-8", "surrogatepass")
    for before, unsure in ((0, 0), (1, 2), (2, 3)):  # what stands before it shifts its bits
        code = base64.b64encode(b"\0" * before + data).decode()
        whole = code.rstrip("=")
        sure = whole[unsure : len(whole) - (code != whole)]
        yield sure
        yield sure.translate(str.maketrans("+/", "-_"))


def _without_end(text: str, secret: str) -> str:
    """The text without a secret's last characters, where they are enough to be told as such."""
    if len(secret) < 2 * _SUFFIX:
        return text
    at = text.find(secret[-_SUFFIX:])
    while at >= 0:
        start = at
        while start and text[start - 1 : at] == secret[-_SUFFIX - (at - start) - 1 : -_SUFFIX]:
            start -= 1
        text = f"{text[:start]}{STRUCK}{text[at + _SUFFIX :]}"
        at = text.find(secret[-_SUFFIX:])
    ends = (re.escape(secret[-n:]) for n in range(_SUFFIX, _MASKED_SUFFIX - 1, -1))
    return re.sub(rf"{_MASK}(?:{'|'.join(ends)})", STRUCK, text)
