"""Requests to token endpoints, read as a strict authorization server reads them."""

import asyncio
import base64
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from gateway_core.errors import UpstreamError, UpstreamTimedOut, UpstreamTooLarge, UpstreamUnreachable
from gateway_core.upstream import token_endpoint
from gateway_core.upstream.client_assertion import sign
from gateway_core.upstream.token_answers import Granted, OtherRefusal, ServerError, Unreachable
from gateway_core.upstream.token_endpoint import (
    ACCESS_TOKEN,
    ASSERTION_S,
    ASSERTION_TYPE,
    CALL_S,
    JWT,
    MAX_BYTES,
    Client,
    TokenEndpoints,
    TokenRequest,
    client_grant,
    code_grant,
    exchange_grant,
    refresh_grant,
)
from tests.flows.token_servers import Form, read_form

NOW = 1_795_000_000
URL = "https://login.example/token"
AS = "https://login.example"
PUBLIC = Client("client-1", "none")


@dataclass
class Door:
    """An egress that keeps what went out."""

    body: bytes = json.dumps({"access_token": "at", "token_type": "Bearer"}).encode()
    problem: UpstreamError | None = None
    sent: list[tuple[str, str, Form]] = field(default_factory=list)
    bounds: tuple[float, int] = (0, 0)

    async def send(self, method: str, url: str, headers: Any, body: bytes, *, deadline: float, max_bytes: int) -> Any:
        self.bounds = deadline - asyncio.get_running_loop().time(), max_bytes
        self.sent.append((method, url, read_form(dict(headers), body)))
        if self.problem is not None:
            raise self.problem
        return self

    status = 200
    headers: dict[str, str] = field(default_factory=dict)

    async def read(self) -> bytes:
        return self.body

    async def __aenter__(self) -> "Door":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


async def asked(client: Client, grant: Any = None, resource: str | None = None) -> Form:
    """The form that goes out."""
    door: Any = Door()
    request = TokenRequest(URL, client, grant or refresh_grant("rt"), resource)
    assert isinstance(await TokenEndpoints(door, lambda: NOW, sign).ask(request), Granted)
    sent: list[tuple[str, str, Form]] = door.sent
    [(method, url, form)] = sent
    assert (method, url) == ("POST", URL)
    return form


async def test_each_grant_has_the_parameters_of_its_standard_and_no_other():
    code = code_grant("c0de", redirect_uri="https://gw.example/oauth/upstream-callback", verifier="v" * 43)
    scopes, exchange = ("a", "b:c"), exchange_grant("st", JWT, audience="aud", scopes=("a",))
    for grant, wanted in [
        (code, {"grant_type": "authorization_code", "code": "c0de", "code_verifier": "v" * 43,
                "redirect_uri": "https://gw.example/oauth/upstream-callback"}),
        (refresh_grant("rt"), {"grant_type": "refresh_token", "refresh_token": "rt"}),
        (client_grant(scopes), {"grant_type": "client_credentials", "scope": "a b:c"}),
        (client_grant(()), {"grant_type": "client_credentials"}),
        (exchange, {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": "st",
                    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "audience": "aud", "scope": "a",
                    "requested_token_type": ACCESS_TOKEN}),
    ]:  # fmt: skip
        form = await asked(PUBLIC, grant)
        assert form.fields == {**wanted, "client_id": "client-1"}
        assert "authorization" not in form.headers


async def test_the_server_that_a_token_is_for_is_named_with_every_grant_unless_there_is_none():
    for grant in (refresh_grant("rt"), client_grant(()), exchange_grant("st", JWT, audience=None, scopes=())):
        form = await asked(PUBLIC, grant, "https://mcp.example/a?b=c&d")
        assert form.fields["resource"] == "https://mcp.example/a?b=c&d"
        assert "resource" not in (await asked(PUBLIC, grant)).fields


@pytest.mark.parametrize("secret", ["plain", "a:b", "a+b c%20", "ä€", "&=?/#"])
async def test_id_and_secret_come_out_as_they_went_in(secret):
    client_id = f"id:{secret}"
    basic = await asked(Client(client_id, "client_secret_basic", secret))
    assert basic.client() == (client_id, secret)
    # What is joined by a colon must hold none (RFC 6749, section 2.3.1: each part is form-encoded first).
    assert base64.b64decode(basic.headers["authorization"].removeprefix("Basic ")).count(b":") == 1
    assert (await asked(Client(client_id, "client_secret_post", secret))).client() == (client_id, secret)


KEYS: dict[str, Any] = {
    "RS256": RSAKey.generate_key(2048),
    "ES256": ECKey.generate_key("P-256"),
    "EdDSA": OKPKey.generate_key("Ed25519"),
}


@pytest.mark.parametrize("algorithm", KEYS)
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
async def test_an_assertion_is_signed_as_the_key_is_made_for_the_issuer_alone_and_never_the_same_twice(algorithm):
    key = KEYS[algorithm]
    client = Client("client-1", "private_key_jwt", key.as_pem(private=True).decode(), AS)
    seen = set()
    for _ in range(2):
        form = await asked(client, client_grant(()))
        assert form.fields["client_assertion_type"] == ASSERTION_TYPE
        assert form.fields["client_id"] == "client-1"
        assert "client_secret" not in form.fields
        token = jwt.decode(form.fields["client_assertion"], key, algorithms=[algorithm])
        assert token.header == {"alg": algorithm, "typ": "JWT"}
        seen.add(token.claims.pop("jti"))
        wanted = {"iss": "client-1", "sub": "client-1", "aud": AS, "iat": NOW, "exp": NOW + ASSERTION_S}
        assert token.claims == wanted
    assert len(seen) == 2


async def test_an_assertion_for_nobody_in_particular_is_for_the_endpoint():
    client = Client("client-1", "private_key_jwt", KEYS["ES256"].as_pem(private=True).decode())
    form = await asked(client)
    payload = jws.extract_compact(form.fields["client_assertion"].encode()).payload
    assert json.loads(payload)["aud"] == URL


def pem(key: Any, password: bytes | None = None) -> str:
    hidden = NoEncryption() if password is None else BestAvailableEncryption(password)
    return str(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden).decode())


UNUSABLE = {
    "empty": "",
    "text": "no key",
    "broken": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
    "RSA of 1024 bits": pem(rsa.generate_private_key(65_537, 1024)),
    "P-384": pem(ec.generate_private_key(ec.SECP384R1())),
    "X25519": pem(x25519.X25519PrivateKey.generate()),
    "public": ECKey.generate_key("P-256").as_pem(private=False).decode(),
    "with a password": pem(ec.generate_private_key(ec.SECP256R1()), b"s3cret"),
}


@pytest.mark.parametrize("pem", UNUSABLE.values(), ids=UNUSABLE)
async def test_a_key_that_cannot_be_used_is_told_without_a_word_of_it_and_nothing_is_sent(pem):
    door: Any = Door()
    request = TokenRequest(URL, Client("client-1", "private_key_jwt", pem, AS), refresh_grant("rt"))
    answer = await TokenEndpoints(door, lambda: NOW, sign).ask(request)
    assert isinstance(answer, OtherRefusal)
    assert answer.told.startswith("Its private key cannot be used: give ")
    assert "AAAA" not in answer.told
    assert door.sent == []


async def test_what_was_not_sent_and_what_may_have_been_are_told_apart():
    for problem, kind in [
        (UpstreamUnreachable("The server could not be reached."), Unreachable),
        (UpstreamTimedOut("It did not answer in time."), ServerError),
        (UpstreamTooLarge("The answer is too large."), ServerError),
    ]:
        door: Any = Door(problem=problem)
        answer = await TokenEndpoints(door, lambda: NOW, sign).ask(TokenRequest(URL, PUBLIC, refresh_grant("rt")))
        assert type(answer) is kind
        assert answer.told == problem.message
        assert len(door.sent) == 1, "nothing is sent twice"


async def test_an_answer_is_bounded_in_time_and_bytes():
    door: Any = Door()
    await TokenEndpoints(door, lambda: NOW, sign).ask(TokenRequest(URL, PUBLIC, refresh_grant("rt")))
    assert door.bounds == (pytest.approx(8.0, abs=0.5), 65_536)
    assert (CALL_S, MAX_BYTES) == (8.0, 65_536)


async def test_no_repr_shows_a_secret_and_no_word_repeats_one():
    grants = [
        code_grant("c0de-secret", redirect_uri="https://gw.example/cb", verifier="verifier-secret"),
        refresh_grant("refresh-secret"),
        exchange_grant("subject-secret", JWT, audience=None, scopes=()),
    ]
    for grant in grants:
        for method in ("client_secret_basic", "client_secret_post"):
            request = TokenRequest(URL, Client("client-1", method, "client-secret"), grant)
            assert "secret" not in repr(request).replace(method, "")
            for value in [*grant.values(), "client-secret"]:
                if "secret" not in value:
                    continue
                said = {"error": "invalid_request", "error_description": f"got {value}"}
                door: Any = Door(body=json.dumps(said).encode())
                answer = await TokenEndpoints(door, lambda: NOW, sign).ask(request)
                assert answer == OtherRefusal("invalid_request", "It says invalid_request.")


def test_the_names_of_the_standards_are_spelt_right():
    assert token_endpoint.EXCHANGE == "urn:ietf:params:oauth:grant-type:token-exchange"
    assert ASSERTION_TYPE == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
