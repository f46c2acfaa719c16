"""A server with step models on a free port: no model's files, no Pipecat."""

import ssl
import time
from contextlib import asynccontextmanager

import jwt
import numpy as np

from pipelines.server.access.tokens import from_secret
from pipelines.server.app.address import Address
from pipelines.server.app.run import serving
from pipelines.server.service.service import Limits, VoiceService

SECRET = "s" * 32


def token(**more):
    claims = {"aud": "duplex-lab", "exp": int(time.time()) + 60, "scope": "voice", **more}
    return jwt.encode(claims, SECRET, "HS256")


@asynccontextmanager
async def served(guarded=False, **more):
    """The service and its address.

    Args:
        guarded: Whether tokens are asked for.
        more: Of `serving`.
    """
    limits = more.pop("limits", Limits())
    public_url = more.pop("public_url", "")
    service = VoiceService([], limits, steps=("passthrough", "clerk"), tell=lambda text: None)
    verifier = from_secret(SECRET) if guarded else None
    address = Address(port=0, public_url=public_url)
    async with serving(service, address, verifier, **more) as url:
        yield service, url.replace("http", "ws")


def loud(samples, level=6_000):
    """(n,) int16 of one level."""
    return np.full(samples, level, np.int16)


def _trusting():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


TRUSTING = _trusting()
"""A client that goes past the warning of a certificate that nobody has signed."""
