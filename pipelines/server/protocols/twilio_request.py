"""Twilio's webhook: is a request Twilio's own, and the TwiML that connects a call.

Source: Twilio's page on the security of webhooks (read 2026-12): base64 of the HMAC-SHA1, keyed by
the account's auth token, of the whole address as Twilio called it, followed by each parameter of
the form, name and value, sorted by name.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit, urlunsplit
from xml.sax.saxutils import quoteattr

PORTS = {"https": 443, "http": 80, "wss": 443, "ws": 80}
"""Ports that an address may leave out."""


def signature(token: str, url: str, form: Iterable[tuple[str, str]] = ()) -> str:
    """Twilio's signature of a request.

    Args:
        token: Auth token of the account.
        url: Whole address, its query with it.
        form: Parameters of the POST; one name may come twice.
    """
    signed = url + "".join(name + value for name, value in sorted(set(form)))
    digest = hmac.new(token.encode(), signed.encode("utf-8", "replace"), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def is_twilios(token: str, url: str, form: Iterable[tuple[str, str]], given: str) -> bool:
    """Whether a request is Twilio's; its address may be signed with the port or without."""
    pairs = list(form)
    found = [
        hmac.compare_digest(signature(token, way, pairs).encode(), given.encode("utf-8", "replace"))
        for way in _ways(url)
    ]
    return any(found)


def _ways(url: str) -> tuple[str, str]:
    """The address without its scheme's own port, and with it."""
    parts = urlsplit(url)
    port = PORTS.get(parts.scheme, 443)
    host = parts.netloc.removesuffix(f":{port}")
    with_port = host if parts.port not in (None, port) else f"{host}:{port}"
    return (
        urlunsplit(parts._replace(netloc=host)),
        urlunsplit(parts._replace(netloc=with_port)),
    )


def twiml(url: str, parameters: Mapping[str, str]) -> str:
    """The answer that connects a call with a media stream.

    Args:
        url: ``wss://…`` of the stream; Twilio gives no query of it on.
        parameters: What the stream's ``start`` will hold.
    """
    inside = "".join(
        f"<Parameter name={quoteattr(name)} value={quoteattr(value)}/>"
        for name, value in parameters.items()
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f"<Response><Connect><Stream url={quoteattr(url)}>{inside}</Stream></Connect></Response>"
    )
