"""Tokens: which come in, and why the others don't. The text of a token is in no error."""

import base64
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pipelines.server.access.tokens import AccessError, from_jwks, from_secret

SECRET = "s" * 32
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def claims(**more):
    now = int(time.time())
    return {"sub": "ann", "aud": "duplex-lab", "exp": now + 86_400, "scope": "voice", **more}


def signed(key=SECRET, algorithm="HS256", headers=None, **more):
    return jwt.encode(claims(**more), key, algorithm, headers=headers)


def b64(table):
    return base64.urlsafe_b64encode(json.dumps(table).encode()).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def jwks(tmp_path_factory):
    path = tmp_path_factory.mktemp("keys") / "jwks.json"
    keys = [
        {**json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(RSA_KEY.public_key())), "kid": "r"},
        {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(EC_KEY.public_key())), "kid": "e"},
    ]
    path.write_text(json.dumps({"keys": keys}))
    return path


def test_a_good_token_says_who_comes_and_what_for():
    found = from_secret(SECRET).check(signed(scope="voice metrics"))
    assert (found.subject, sorted(found.scopes)) == ("ann", ["metrics", "voice"])
    assert from_secret(SECRET).check(signed(scope=["voice"])).scopes == {"voice"}


def without(*names):
    return jwt.encode({k: v for k, v in claims().items() if k not in names}, SECRET, "HS256")


NOW = int(time.time())


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ("", "no JSON Web Token"),
        ("a.b.c", "no JSON Web Token"),
        ("x" * 9_000, "longer than 8192"),
        (signed(exp=NOW - 60), "has expired"),
        (signed(nbf=NOW + 10**6), "not valid yet"),
        (signed(aud="another"), "not for this server"),
        (signed(aud=["another"]), "not for this server"),
        (signed("t" * 32), "signature is wrong"),
        (signed(scope="read"), "lacks the scope 'voice'"),
        (signed(scope={"voice": 1}), "lacks the scope 'voice'"),
        (without("exp"), "lacks the claim 'exp'"),
        (without("aud"), "lacks the claim 'aud'"),
        (f"{b64({'alg': 'none'})}.{b64(claims())}.", "alg is not one"),
        (f"{b64({'alg': 'None', 'typ': 'JWT'})}.{b64(claims())}.", "alg is not one"),
        (signed("s" * 64, "HS512"), "alg is not one"),
        (signed(RSA_KEY, "RS256"), "alg is not one"),
    ],
)
def test_another_token_is_refused_in_a_sentence_without_its_text(token, said):
    with pytest.raises(AccessError, match=said) as refused:
        from_secret(SECRET).check(token)
    assert not token or token not in str(refused.value)


def test_tokens_are_checked_by_the_public_keys_of_a_file(jwks):
    verifier = from_jwks(jwks)
    assert verifier.check(signed(RSA_KEY, "RS256", {"kid": "r"})).subject == "ann"
    assert verifier.check(signed(RSA_KEY, "PS256")).subject == "ann"
    assert verifier.check(signed(EC_KEY, "ES256", {"kid": "e"})).subject == "ann"
    with pytest.raises(AccessError, match="kid names no key"):
        verifier.check(signed(RSA_KEY, "RS256", {"kid": "x"}))


def test_a_public_key_is_never_taken_for_a_secret(jwks):
    pem = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    import hashlib
    import hmac

    head, body = b64({"alg": "HS256", "kid": "r"}), b64(claims())
    mac = hmac.digest(pem, f"{head}.{body}".encode(), hashlib.sha256)
    forged = f"{head}.{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    with pytest.raises(AccessError, match="alg is not one that this server checks"):
        from_jwks(jwks).check(forged)


def test_a_short_secret_is_none():
    with pytest.raises(AccessError, match="31 bytes: HS256 needs 32"):
        from_secret("s" * 31)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no JSON"),
        ("[]", "a list 'keys' is needed"),
        ('{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}', "a public key is needed"),
        ('{"keys": [{"kty": "RSA", "alg": "HS256"}]}', "alg = 'HS256' is none of RSA"),
        ('{"keys": [{"kty": "RSA", "n": "x"}]}', "no key"),
    ],
)
def test_a_file_that_is_no_jwks_is_refused(tmp_path, text, said):
    (tmp_path / "k.json").write_text(text)
    with pytest.raises(AccessError, match=said):
        from_jwks(tmp_path / "k.json")
