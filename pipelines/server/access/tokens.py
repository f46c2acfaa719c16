"""Bearer tokens: JSON Web Tokens, signed by one secret (HS256) or by keys of a JWKS file.

A secret checks HS256 only, and a public key its own family only: a token signed with a public key
as if that were a secret is refused, as is one without a signature. The text of a token is never
part of an error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipelines.errors import LabError
from pipelines.guards.texts import parse_json

AUDIENCE = "duplex-lab"
"""The ``aud`` that a token must have, unless another is named."""
SCOPE = "voice"
"""The ``scope`` that it must have."""
SHORTEST_SECRET = 32
"""Bytes of a secret, as RFC 7518 asks for HS256."""
LONGEST_TOKEN = 8_192
"""Characters of a token that is looked at."""
LEEWAY_S = 5
"""Difference between two machines' clocks that is borne, s."""
FAMILIES: dict[str, tuple[str, ...]] = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA",),
}
"""Type of a public key → the algorithms that it may check."""


class AccessError(LabError):
    """Somebody may not come in; one sentence, without what they showed."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a good token says."""

    subject: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Key:
    """One key, and the algorithms that it checks."""

    key: Any = field(repr=False)
    algorithms: tuple[str, ...]
    kid: str = ""


@dataclass(frozen=True, slots=True)
class Verifier:
    """Checks tokens."""

    keys: Sequence[_Key] = field(repr=False)
    audience: str = AUDIENCE
    scope: str = SCOPE

    def check(self, token: str) -> Claims:
        """The claims of a token.

        Raises:
            AccessError: it is not good for this server.
        """
        import jwt

        if len(token) > LONGEST_TOKEN:
            raise AccessError(f"the token is longer than {LONGEST_TOKEN} characters")
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise AccessError("the token is no JSON Web Token") from None
        key = self._key(header)
        try:
            claims = jwt.decode(
                token,
                key.key,
                algorithms=list(key.algorithms),
                audience=self.audience,
                leeway=LEEWAY_S,
                options={"require": ["exp", "aud"]},
            )
        except jwt.PyJWTError as error:
            raise AccessError(_why(error, self.audience)) from None
        scopes = _scopes(claims)
        if self.scope not in scopes:
            raise AccessError(f"the token lacks the scope {self.scope!r}")
        return Claims(str(claims.get("sub", "")), scopes)

    def _key(self, header: Mapping[str, Any]) -> _Key:
        """The key that a token's header asks for, of those that check its algorithm."""
        algorithm, kid = header.get("alg"), header.get("kid")
        able = [key for key in self.keys if algorithm in key.algorithms]
        if not able:
            known = ", ".join(sorted({a for key in self.keys for a in key.algorithms}))
            raise AccessError(f"the token's alg is not one that this server checks ({known})")
        named = [key for key in able if key.kid == kid] if isinstance(kid, str) else able
        if not named:
            raise AccessError("the token's kid names no key of this server")
        return named[0]


def from_secret(secret: str, audience: str = AUDIENCE, scope: str = SCOPE) -> Verifier:
    """Checks tokens that were signed with a secret.

    Raises:
        AccessError: the secret is too short to be one.
    """
    data = secret.encode()
    if len(data) < SHORTEST_SECRET:
        raise AccessError(
            f"the secret for tokens has {len(data)} bytes: HS256 needs {SHORTEST_SECRET} at least; "
            "make one by: python -c 'import secrets; print(secrets.token_hex(32))'"
        )
    return Verifier([_Key(data, ("HS256",))], audience, scope)


_A_JWKS = "; give the JSON Web Key Set of whoever makes the tokens"


def from_jwks(path: Path, audience: str = AUDIENCE, scope: str = SCOPE) -> Verifier:
    """Checks tokens by the public keys of a JWKS file.

    Raises:
        AccessError: it can't be read, or holds no public key.
    """
    try:
        table = parse_json(path.read_bytes())
    except OSError as error:
        raise AccessError(f"--jwks {path}: can't be read: {error.strerror}{_A_JWKS}") from None
    except ValueError as error:
        raise AccessError(f"--jwks {path}: no JSON ({error}){_A_JWKS}") from None
    rows = table.get("keys") if isinstance(table, dict) else None
    if not isinstance(rows, list) or not rows:
        raise AccessError(f"--jwks {path}: a list 'keys' is needed{_A_JWKS}")
    return Verifier(
        [_public(row, f"{path}: keys[{i}]") for i, row in enumerate(rows)], audience, scope
    )


def _public(row: object, where: str) -> _Key:
    """One key of a JWKS file."""
    import jwt

    kty = row.get("kty") if isinstance(row, dict) else None
    if not isinstance(row, dict) or not isinstance(kty, str) or kty not in FAMILIES:
        known = ", ".join(FAMILIES)
        raise AccessError(f"{where}: kty = {kty!r}: a public key is needed, one of {known}")
    named = row.get("alg")
    if named is not None and named not in FAMILIES[kty]:
        raise AccessError(f"{where}: alg = {named!r} is none of {kty}: {', '.join(FAMILIES[kty])}")
    public = {k: v for k, v in row.items() if k not in ("d", "p", "q", "dp", "dq", "qi", "oth")}
    try:
        key = jwt.PyJWK.from_json(json.dumps(public), named).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError) as error:
        raise AccessError(f"{where}: no key: {type(error).__name__}") from None
    return _Key(key, (named,) if named else FAMILIES[kty], str(row.get("kid", "")))


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """``scope`` as RFC 8693 has it, words in one text; or a list, as some issuers write it."""
    given = claims.get("scope", claims.get("scp", ""))
    words = given.split() if isinstance(given, str) else given
    return frozenset(str(w) for w in words) if isinstance(words, list) else frozenset()


def _why(error: Exception, audience: str) -> str:
    """What is wrong with a token, without its text."""
    import jwt

    said: dict[type[Exception], str] = {
        jwt.ExpiredSignatureError: "the token has expired",
        jwt.ImmatureSignatureError: "the token is not valid yet",
        jwt.InvalidAudienceError: f"the token is not for this server (aud must be {audience!r})",
        jwt.InvalidSignatureError: "the token's signature is wrong",
    }
    for kind, sentence in said.items():
        if isinstance(error, kind):
            return sentence
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"the token lacks the claim {error.claim!r}"
    return "the token is not valid"
