"""Corpus O2: parameters of the authorization and the token endpoint, and what each fault costs."""

from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from gateway_core.errors import OAuthError
from tests.unit.issuer.corpus import cases
from tests.unit.issuer.house import CALLBACK, FORM, VERIFIER, House, error_of, headers


def changed(parameters: dict[str, str], given: dict[str, Any]) -> str:
    """The parameters as a case wants them."""
    wanted = {**parameters, **given.get("set", {})}
    appended: str = given.get("append", "")
    return urlencode({name: text for name, text in wanted.items() if name not in given.get("without", ())}) + appended


async def asked(home: House, given: dict[str, Any]) -> str:
    client_id, _ = await home.dynamic()
    base = dict(parse_qsl(home.query(client_id)))
    try:
        request = await home.issuer.read(changed(base, given))
    except OAuthError as problem:
        return f"page({problem.error})"
    state = given.get("set", {}).get("state", "st") or None
    if request.refusal is None:
        wanted = None if "state" in given.get("without", ()) else state
        assert request.state == wanted
        return "accept"
    answer = parse_qs(urlsplit(home.issuer.refuse(request, request.refusal)).query)
    assert answer["iss"] == [home.issuer.public_url]
    return f"refuse({answer['error'][0]})"


async def token_asked(home: House, given: dict[str, Any]) -> str:
    client_id, _ = await home.dynamic()
    code = await home.code(client_id)
    right = {
        "grant_type": "authorization_code",
        "client_id": client_id,
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }
    if given["endpoint"] == "refresh":
        tokens = (await home.redeem(client_id, code)).body
        right = {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": tokens["refresh_token"]}
    kind = given.get("content_type", FORM[1])
    answer = await home.issuer.token(headers(("content-type", kind)), changed(right, given).encode())
    if answer.status == 200:
        assert await home.good(answer)
        return "accept"
    # Whatever was wrong, nothing is used up and nothing is revoked by it.
    assert (await home.token(**right)).status == 200
    return "reject({} {})".format(*error_of(answer))


@cases("parameters.jsonl", at_least=200)
async def test_every_fault_in_a_parameter_gets_its_own_answer_and_uses_nothing_up(home: House, case):
    ask = asked if case["input"]["endpoint"] == "authorize" else token_asked
    assert await ask(home, case["input"]) == case["verdict"]
