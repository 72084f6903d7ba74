"""Signing in at an identity provider: what signs nobody in. Every case ends in words for a person."""

import asyncio
import base64
import hashlib
import hmac
import json
import warnings
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import RSAKey

from gateway_core.errors import SignInFailed
from gateway_core.signin.asking import MAX_BYTES, Asking
from gateway_core.signin.cookies import new_value
from tests.flows.signing_in import NOW, Signing, with_provider
from tests.oidc import CLIENT_ID, EC_KEY, RSA_KEY, unsigned

STRANGER = RSAKey.generate_key(2048, {"kid": "rsa-1"})
with warnings.catch_warnings(action="ignore"):
    WEAK = RSAKey.generate_key(1024, {"kid": "weak"})
SECRETS = ("ghs_", "s3cret", "code=", "eyJ")


async def refused(signing: Signing) -> SignInFailed:
    browser = new_value()
    query = await signing.back(browser)
    with pytest.raises(SignInFailed) as caught:
        await signing.provider.finish(query, browser=browser)
    return caught.value


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"iss": "https://evil.example"}, "wrong issuer"),
        ({"iss": None}, "wrong issuer"),
        ({"aud": "somebody-else"}, "another client"),
        ({"aud": None}, "another client"),
        ({"aud": [CLIENT_ID, "somebody-else"]}, "another client"),
        ({"aud": ["somebody-else"], "azp": CLIENT_ID}, "another client"),
        ({"aud": [CLIENT_ID, "b"], "azp": "b"}, "another client"),
        ({"azp": "somebody-else"}, "another client"),
        ({"aud": {"a": CLIENT_ID}}, "another client"),
        ({"exp": NOW - 120}, "expired"),
        ({"exp": None}, "no times"),
        ({"exp": "soon"}, "no times"),
        ({"exp": True}, "no times"),
        ({"exp": float("inf")}, "no times"),
        ({"exp": 10**400}, "no times"),
        ({"iat": None}, "no times"),
        ({"iat": NOW + 121}, "not valid yet"),
        ({"nbf": NOW + 121}, "not valid yet"),
        ({"iat": NOW - 721}, "made before"),
        ({"nonce": "another"}, "wrong nonce"),
        ({"nonce": None}, "wrong nonce"),
        ({"nonce": ["x"]}, "wrong nonce"),
        ({"sub": None}, "no subject"),
        ({"sub": ""}, "no subject"),
        ({"sub": 7}, "no subject"),
        ({"sub": "x" * 256}, "no subject"),
        ({"sub": "ána"}, "no subject"),
    ],
)
async def test_an_id_token_that_is_not_for_this_sign_in_is_refused(tmp_path, caplog, told, why):
    async with with_provider(tmp_path) as (signing, idp):
        idp.told = told
        problem = await refused(signing)
        assert problem.reason == "identity_provider_distrusted"
        assert "Start again" in problem.message
        told_of = [vars(record) for record in caplog.records if record.message == "identity_provider_distrusted"]
        assert [why in str(record["fields"]) for record in told_of] == [True]


@pytest.mark.parametrize(
    "told", [{"exp": NOW - 119}, {"iat": NOW + 120}, {"iat": NOW - 720}, {"nbf": NOW + 120}, {"sub": "x" * 255},
             {"aud": [CLIENT_ID]}, {"aud": [CLIENT_ID, "b"], "azp": CLIENT_ID}, {"azp": CLIENT_ID}],
)  # fmt: skip
async def test_what_is_just_within_the_rules_is_believed(tmp_path, told):
    async with with_provider(tmp_path) as (signing, idp):
        idp.told = told
        assert await signing_in(signing)


def hmac_of_public_key(claims: Any) -> str:
    signed = unsigned(claims, alg="HS256", kid="rsa-1").removesuffix(".")
    made = hmac.new(RSA_KEY.as_pem(private=False), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(made).rstrip(b'=').decode()}"


def altered(claims: Any) -> str:
    token = jws.serialize_compact({"alg": "RS256", "kid": "rsa-1"}, json.dumps(claims), RSA_KEY)
    return token[:-4] + ("AAAA" if not token.endswith("AAAA") else "BBBB")


@pytest.mark.parametrize(
    "token",
    [
        lambda claims: unsigned(claims, alg="none"),
        lambda claims: unsigned(claims, alg="None", kid="rsa-1"),
        lambda claims: unsigned(claims, alg=["RS256"]),
        lambda claims: unsigned(claims, alg="RS256", kid="rsa-1"),
        lambda claims: unsigned(claims, alg="RS256", kid="rsa-1", crit=["b64"], b64=False),
        lambda claims: unsigned(claims, alg="RS256", kid=7),
        hmac_of_public_key,
        altered,
        lambda claims: "",
        lambda claims: "a.b.c",
        lambda claims: "é.é.é",
        lambda claims: "." * 9_000,
        lambda claims: "x" * 200_000,
        lambda claims: unsigned({"a": [[[[]]]]}, alg="RS256", kid="rsa-1"),
        lambda claims: f"{'W' * 4_000}.e30.AAAA",
    ],
)  # fmt: skip
async def test_a_token_whose_signature_proves_nothing_is_refused(tmp_path, token):
    async with with_provider(tmp_path) as (signing, idp):
        idp.token = token
        assert (await refused(signing)).reason == "identity_provider_distrusted"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("key", STRANGER),
        ("header", {"kid": None}),
        ("header", {"kid": "unknown"}),
        ("published", []),
        ("published", [RSA_KEY.as_dict(private=True)]),
        ("published", [{**RSA_KEY.as_dict(private=False), "use": "enc"}]),
        ("published", [{**RSA_KEY.as_dict(private=False), "alg": "PS256"}]),
        ("published", [{**RSA_KEY.as_dict(private=False), "key_ops": ["sign"]}]),
        ("published", [{**RSA_KEY.as_dict(private=False), "n": "AQAB" * 2_000}]),
        ("published", [{**RSA_KEY.as_dict(private=False), "n": "!!"}]),
        ("published", [{"kty": "RSA", "kid": "rsa-1"}]),
        ("published", [{"kty": "oct", "kid": "rsa-1", "k": "AAAA"}]),
        ("published", [{**EC_KEY.as_dict(private=False), "kid": "rsa-1"}]),
        ("published", ["rsa-1", None, 7]),
        ("published", "keys"),
        ("published", [RSA_KEY.as_dict(private=False)] * 2),
    ],
)
async def test_a_signature_without_one_good_key_is_refused(tmp_path, field, value):
    async with with_provider(tmp_path) as (signing, idp):
        if field == "header" and value == {"kid": None}:
            idp.published = [RSA_KEY.as_dict(private=False), {**STRANGER.as_dict(private=False), "kid": "rsa-2"}]
        setattr(idp, field, value)
        assert (await refused(signing)).reason == "identity_provider_distrusted"


async def test_a_short_rsa_key_is_no_key(tmp_path):
    async with with_provider(tmp_path) as (signing, idp):
        idp.published = [WEAK.as_dict(private=False)]
        idp.key = WEAK
        assert (await refused(signing)).reason == "identity_provider_distrusted"


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/keys"])
@pytest.mark.parametrize(
    "answer",
    [
        lambda respond: respond.raw(b"", 500),
        lambda respond: respond.raw(b"", 302, {"location": "http://127.0.0.1:1/elsewhere"}),
        lambda respond: respond.raw(b"<html>"),
        lambda respond: respond.raw(b"\xff\xfe"),
        lambda respond: respond.json([]),
        lambda respond: respond.json(None),
        lambda respond: respond.raw(b'{"issuer": 1, "issuer": 2}'),
        lambda respond: respond.raw(b"[" * 100_000),
        lambda respond: respond.raw(b'{"a":"' + b"x" * MAX_BYTES + b'"}'),
        lambda respond: respond.json({}),
    ],
    ids=["500", "redirect", "html", "no text", "list", "null", "repeated", "deep", "huge", "empty"],
)  # fmt: skip
async def test_an_answer_that_cannot_be_used_signs_nobody_in(tmp_path, path, answer):
    async with with_provider(tmp_path) as (signing, idp):
        browser = new_value()
        if path.startswith("/."):
            idp.answers[path] = answer
            with pytest.raises(SignInFailed, match="tell whoever runs this gateway"):
                await signing.provider.begin(next_path="/", browser=browser)
            return
        query = await signing.back(browser)
        idp.answers[path] = answer
        with pytest.raises(SignInFailed, match="tell whoever runs this gateway"):
            await signing.provider.finish(query, browser=browser)


async def test_a_provider_that_does_not_answer_is_waited_for_no_longer_than_its_time(tmp_path):
    async def never(respond: Any) -> None:
        await asyncio.Event().wait()

    async with with_provider(tmp_path) as (signing, idp):
        idp.answers["/slow"] = never
        asking = Asking(signing.parts.egress, answer_s=0.05)
        with pytest.raises(SignInFailed, match="Try again in a minute"):
            await asking.get(f"{idp.url}/slow", what="keys")


async def test_a_provider_that_is_not_there_says_so_in_the_same_words(tmp_path):
    async with with_provider(tmp_path, oidc_issuer="http://127.0.0.1:1") as (signing, _):
        with pytest.raises(SignInFailed, match="Try again in a minute"):
            await signing.provider.begin(next_path="/", browser=new_value())


@pytest.mark.parametrize(
    "lie",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"token_endpoint": None},
        {"jwks_uri": 5},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "https://user@evil.example/"},
        {"authorization_endpoint": "https://a.example/\r\nset-cookie: a=b"},
        {"authorization_endpoint": "//a.example/authorize"},
        {"userinfo_endpoint": "file:///etc/passwd"},
    ],
)
async def test_metadata_of_another_issuer_or_with_endpoints_that_are_none_is_refused(tmp_path, lie):
    async with with_provider(tmp_path) as (signing, idp):
        idp.metadata = lie
        with pytest.raises(SignInFailed, match="an answer that can be used"):
            await signing.provider.begin(next_path="/", browser=new_value())


async def test_a_slash_more_or_less_is_another_issuer(tmp_path):
    async with with_provider(tmp_path) as (signing, idp):
        idp.metadata = {"issuer": f"{idp.url}/"}
        with pytest.raises(SignInFailed):
            await signing.provider.begin(next_path="/", browser=new_value())


async def signing_in(signing: Signing) -> Any:
    browser = new_value()
    return await signing.provider.finish(await signing.back(browser), browser=browser)
