"""Tokens of another issuer that must let nobody in: forged, twisted, of somebody else, too early, too late, too large.

Until a token is proved to be the issuer's, its sender hears the same as at any other URL.
"""

import hmac
import json

import pytest

from tests.flows.foreign import (
    AUDIENCE,
    CLAIMS,
    EC,
    EC_384,
    ED,
    RSA,
    RSA_OTHER,
    b64,
    believe,
    issuing,
    public,
    signed,
    token,
    unsigned,
)
from tests.flows.gateways import NOW, call, gateway
from tests.flows.test_jwt import PATH, status_of
from tests.flows.upstreams import Json, upstream, weather

HEAD = {"alg": "RS256", "kid": "rsa-1"}
GOOD = token()
HEADER, PAYLOAD, SIGNATURE = GOOD.split(".")
RAW = json.dumps(CLAIMS).encode()
PEM = RSA.as_pem(private=False)
JWK = json.dumps(RSA.as_dict(private=False), separators=(",", ":")).encode()


def of_secret(alg: str, secret: bytes) -> str:
    """Signed with a secret that everybody knows: the public key."""
    made = f"{b64(json.dumps({'alg': alg, 'kid': 'rsa-1'}).encode())}.{PAYLOAD}"
    return f"{made}.{b64(hmac.digest(secret, made.encode(), 'sha' + alg[2:]))}"


def with_header(**header: object) -> str:
    """Really signed by the issuer, with a header that says more."""
    return token(header=header)


FORGED: dict[str, str] = {
    "alg none": unsigned({"alg": "none"}, CLAIMS),
    "alg none with a signature": unsigned({"alg": "none", "kid": "rsa-1"}, CLAIMS, SIGNATURE),
    "alg None": unsigned({"alg": "None"}, CLAIMS),
    "alg NONE": unsigned({"alg": "NONE"}, CLAIMS, "x"),
    "no alg": unsigned({"kid": "rsa-1"}, CLAIMS, SIGNATURE),
    "alg null": unsigned({"alg": None}, CLAIMS, SIGNATURE),
    "alg a list": unsigned({"alg": ["RS256"]}, CLAIMS, SIGNATURE),
    "alg a number": unsigned({"alg": 256}, CLAIMS, SIGNATURE),
    "HS256 with the public key": of_secret("HS256", PEM),
    "HS384 with the public key": of_secret("HS384", PEM),
    "HS512 with the key as JSON": of_secret("HS512", JWK),
    "HS256 with the modulus": of_secret("HS256", str(RSA.as_dict(private=False)["n"]).encode()),
    "RS256 claimed, HS256 made": f"{b64(json.dumps(HEAD).encode())}.{of_secret('HS256', PEM).split('.', 1)[1]}",
    "an algorithm that is not allowed": token(alg="PS256"),
    "lower case": unsigned({"alg": "rs256", "kid": "rsa-1"}, CLAIMS, SIGNATURE),
    "a key of another type": token(alg="ES256"),
    "RS256 with the name of an EC key": token(header={"kid": "ec-1"}),
    "another issuer's key under the issuer's name": token(key=RSA_OTHER, header={"kid": "rsa-1"}),
    "an unknown key": token(key=RSA_OTHER),
    "kid a path": token(header={"kid": "../../../../dev/null"}),
    "kid a URL": token(header={"kid": "https://evil.example/jwks"}),
    "kid of SQL": token(header={"kid": "' UNION SELECT 'x"}),
    "kid a list": token(header={"kid": "rsa-1"}).replace(
        HEADER, b64(json.dumps({"alg": "RS256", "kid": ["rsa-1"]}).encode())
    ),
    "kid endless": unsigned({**HEAD, "kid": "x" * 257}, CLAIMS, SIGNATURE),
    "kid empty": unsigned({**HEAD, "kid": ""}, CLAIMS, SIGNATURE),
    "jku of somebody": token(key=RSA_OTHER, header={"jku": "https://evil.example/jwks"}),
    "x5u of somebody": token(key=RSA_OTHER, header={"x5u": "https://evil.example/cert"}),
    "its own key": token(key=RSA_OTHER, header={"jwk": RSA_OTHER.as_dict(private=False)}),
    "its own key under the issuer's name": token(
        key=RSA_OTHER, header={"kid": "rsa-1", "jwk": RSA_OTHER.as_dict(private=False)}
    ),
    "crit": unsigned({**HEAD, "crit": ["exp"], "exp": 0}, CLAIMS, SIGNATURE),
    "b64 false": unsigned({**HEAD, "b64": False}, CLAIMS, SIGNATURE),
    "another payload": f"{HEADER}.{b64(json.dumps({**CLAIMS, 'sub': 'root'}).encode())}.{SIGNATURE}",
    "another header": f"{b64(json.dumps({**HEAD, 'x': 1}).encode())}.{PAYLOAD}.{SIGNATURE}",
    "no signature": f"{HEADER}.{PAYLOAD}.",
    "half a signature": f"{HEADER}.{PAYLOAD}.{SIGNATURE[:100]}",
    "a signature of zeros": f"{HEADER}.{PAYLOAD}.{b64(bytes(256))}",
    "a signature with padding": f"{GOOD}==",
    "a signature written in another way": GOOD[:-1] + chr(ord(GOOD[-1]) + 1),
    "standard base64": f"{HEADER}.{PAYLOAD}.{SIGNATURE.replace('-', '+').replace('_', '/')}x",
    "a part more": f"{GOOD}.x",
    "two parts more": f"{GOOD}.x.y",
    "a part less": f"{HEADER}.{PAYLOAD}",
    "an empty header": f".{PAYLOAD}.{SIGNATURE}",
    "nothing but dots": "..",
    "no JSON": unsigned(b"{", CLAIMS, SIGNATURE),
    "a list as header": unsigned([HEAD], CLAIMS, SIGNATURE),
    "a name twice in the header": unsigned(b'{"alg":"none","alg":"RS256","kid":"rsa-1"}', CLAIMS, SIGNATURE),
    "a deep header": unsigned(b'{"alg":"RS256","x":' + b"[" * 400 + b"]" * 400 + b"}", CLAIMS, SIGNATURE),
    "a large header": unsigned({**HEAD, "x": "y" * 1_024}, CLAIMS, SIGNATURE),
    "signed, a list": signed(HEAD, b"[1]", RSA),
    "signed, no JSON": signed(HEAD, b"sub=root", RSA),
    "signed, a name twice": signed(HEAD, RAW[:-1] + b',"sub":"root"}', RSA),
    "signed, NaN": signed(HEAD, RAW[:-1] + b',"x":NaN}', RSA),
    "signed, deep": signed(HEAD, RAW[:-1] + b',"x":' + b"[" * 400 + b"]" * 400 + b"}", RSA),
    "a token in the token": signed({**HEAD, "cty": "JWT"}, GOOD.encode(), RSA),
    "said to hold a token": with_header(cty="JWT"),
    "made to log out": with_header(typ="logout+jwt"),
    "made to prove a key": with_header(typ="dpop+jwt"),
    "an event": with_header(typ="secevent+jwt"),
    "a type that is no text": unsigned({**HEAD, "typ": 1}, CLAIMS, SIGNATURE),
    "encrypted": "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.a.b.c.d",
    "not ASCII": f"{HEADER}.{PAYLOAD}.{SIGNATURE[:-1]}é",
}

SAYS: dict[str, tuple[Json, str]] = {
    "another issuer": ({"iss": "https://evil.example"}, "jwt_issuer"),
    "a slash more": ({"iss": CLAIMS["iss"] + "/"}, "jwt_issuer"),
    "the issuer in a list": ({"iss": [CLAIMS["iss"]]}, "jwt_issuer"),
    "no issuer": ({"iss": None}, "jwt_issuer"),
    "another audience": ({"aud": "https://other.example"}, "jwt_audience"),
    "a longer audience": ({"aud": AUDIENCE + "x"}, "jwt_audience"),
    "other audiences": ({"aud": ["a", "b"]}, "jwt_audience"),
    "no audience": ({"aud": None}, "jwt_audience"),
    "no audiences": ({"aud": []}, "jwt_audience"),
    "an audience in an object": ({"aud": {AUDIENCE: 1}}, "jwt_audience"),
    "an audience in a list in a list": ({"aud": [[AUDIENCE]]}, "jwt_audience"),
    "expired": ({"exp": NOW - 6}, "jwt_expired"),
    "expired at the edge": ({"exp": NOW - 5}, "jwt_expired"),
    "expired at 0": ({"exp": 0}, "jwt_expired"),
    "no end": ({"exp": None}, "jwt_without_end"),
    "an end in words": ({"exp": "never"}, "jwt_times"),
    "an end that is true": ({"exp": True}, "jwt_times"),
    "an end before all time": ({"exp": -1}, "jwt_times"),
    "an endless end": ({"exp": 2**53}, "jwt_times"),
    "an end in a list": ({"exp": [NOW + 60]}, "jwt_times"),
    "not yet": ({"nbf": NOW + 6}, "jwt_not_yet"),
    "made tomorrow": ({"iat": NOW + 86_400}, "jwt_not_yet"),
    "nbf in words": ({"nbf": "now"}, "jwt_times"),
    "iat in words": ({"iat": "now"}, "jwt_times"),
    "no subject": ({"sub": None}, "jwt_subject"),
    "an empty subject": ({"sub": ""}, "jwt_subject"),
    "a subject that is a number": ({"sub": 7}, "jwt_subject"),
    "a subject that is a list": ({"sub": ["root"]}, "jwt_subject"),
    "an endless subject": ({"sub": "x" * 256}, "jwt_subject"),
    "a subject of two lines": ({"sub": "ana\nroot"}, "jwt_subject"),
    "a subject that is half a character": ({"sub": "\ud800"}, "jwt_subject"),
}


@pytest.mark.parametrize("vouching", ["jwks_uri", "jwks"])
async def test_what_is_not_proved_to_be_the_issuers_gets_the_same_401_as_everywhere(tmp_path, vouching):
    async with (
        upstream(weather) as server,
        issuing() as issuer,
        gateway(tmp_path, {"weather": server.url, "linear": server.url}) as gw,
    ):
        inline = {"jwks_uri": None, "jwks": public(RSA, EC, ED)} if vouching == "jwks" else {}
        await believe(gw, server.url, issuer.validation(**inline), "weather")
        assert await status_of(gw, GOOD) == 200
        for name, forged in FORGED.items():
            # As bytes: HTTP clients refuse to send some of them.
            sent = {**gw.headers(), "authorization": f"Bearer {forged}"}
            headers = {name.encode(): value.encode("latin-1") for name, value in sent.items()}
            here = await gw.http.post(gw.url + PATH, json=call(), headers=headers)
            assert here.status_code == 401, name
            there = await gw.http.post(gw.url + "/research/linear/mcp", json=call(), headers=headers)
            assert here.json() == there.json(), name
            assert here.json()["error"]["data"] == {"reason": "malformed_credential"}, name
        assert len(server.seen) == 1
        assert len(issuer.seen) <= 2


async def test_what_the_issuer_signed_and_is_not_enough_says_what_is_missing(tmp_path):
    async with upstream(weather) as server, issuing() as issuer, gateway(tmp_path, {"weather": server.url}) as gw:
        await believe(gw, server.url, issuer.validation(), "weather")
        for name, (claims, reason) in SAYS.items():
            refused = await gw.post(PATH, call(), token(claims))
            assert (refused.status_code, refused.json()["error"]["data"]) == (401, {"reason": reason}), name
            assert 'error="invalid_token"' in refused.headers["www-authenticate"], name
        assert server.seen == []


FINE: dict[str, str] = {
    "an audience among others": token({"aud": ["a", AUDIENCE]}),
    "a second left": token({"exp": NOW + 1}),
    "within the tolerance": token({"exp": NOW - 4, "nbf": NOW + 5, "iat": NOW + 5}),
    "times with fractions": token({"exp": NOW + 0.5}),
    "no nbf and no iat": token({"nbf": None, "iat": None}),
    "no type": with_header(typ=None),
    "an access token's type": with_header(typ="at+jwt"),
    "the same in full": with_header(typ="application/at+JWT"),
    "what it offers is ignored": with_header(jku="https://evil.example", x5u="https://evil.example", x5t="x"),
}


async def test_what_is_fine_is_let_in_so_that_the_rest_is_refused_for_its_reason(tmp_path):
    async with upstream(weather) as server, issuing() as issuer, gateway(tmp_path, {"weather": server.url}) as gw:
        await believe(gw, server.url, issuer.validation(), "weather")
        for name, fine in FINE.items():
            assert await status_of(gw, fine) == 200, name


async def test_a_token_without_a_key_id_needs_a_set_in_which_one_key_fits(tmp_path):
    async with upstream(weather) as server, issuing() as issuer, gateway(tmp_path, {"weather": server.url}) as gw:
        await believe(gw, server.url, issuer.validation(algorithms=["RS256", "ES384"]), "weather")
        issuer.keys = public(RSA, RSA_OTHER, EC, EC_384)
        assert await status_of(gw, token(header={"kid": None})) == 401
        assert await status_of(gw, token(alg="ES384", header={"kid": None})) == 200
