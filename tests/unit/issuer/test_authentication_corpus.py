"""Corpus O3: who a client proves to be, in every way that it should not, and the few that it should."""

import re
from base64 import b64encode, urlsafe_b64encode
from typing import Any
from urllib.parse import quote

from gateway_core.issuer.client import secret_digest
from tests.unit.issuer.corpus import cases
from tests.unit.issuer.house import CALLBACK, FORM, VERIFIER, House, basic, error_of, form, headers

BRACED = re.compile(r"\{(basic|urlsafe):((?:[^{}]|\{[a-z_]+\})*)\}", re.DOTALL)


async def made(home: House, kind: Any) -> dict[str, str]:
    """A client of one kind, and every word that a case may ask for."""
    how, method = kind.split(" ")
    redirect = {"redirect_uris": ["http://127.0.0.1/callback"]}
    if how == "dynamic":
        client_id, secret = await home.dynamic(token_endpoint_auth_method=method, **redirect)
    else:
        entered, secret = await home.clients.create("Portal", **redirect, auth_method=method, by="ana@acme.dev")
        client_id = entered.client.id
    other_id, other_secret = await home.entered()
    shown = secret or "ghs_none"
    encoded = f"{quote(client_id, safe='').replace('-', '%2D')}:{shown.replace('_', '%5F')}"
    right = b64encode(f"{client_id}:{shown}".encode()).decode()
    return {
        "id": client_id,
        "secret": shown,
        "id_upper": client_id.upper(),
        "secret_upper": shown.upper(),
        "secret_digest": secret_digest(shown),
        "other_id": other_id,
        "other_secret": other_secret or "",
        "basic": right,
        "encoded": b64encode(encoded.encode()).decode(),
        # Without its last character the length is no multiple of four.
        "nopad": right.rstrip("=")[: -1 if len(right.rstrip("=")) % 4 == 0 else None],
    }


def filled(template: str, words: dict[str, str]) -> str:
    def plain(text: str) -> str:
        return re.sub(r"\{([a-z_]+)\}", lambda found: words[found[1]], text)

    def coded(found: re.Match[str]) -> str:
        encode = b64encode if found[1] == "basic" else urlsafe_b64encode
        return encode(plain(found[2]).encode()).decode()

    return plain(BRACED.sub(coded, template))


@cases("client_authentication.jsonl", at_least=80)
async def test_a_client_is_who_it_proves_to_be_in_the_way_that_it_registered(home: House, case: dict[str, Any]):
    words = await made(home, case["input"]["client"])
    code = await home.code(words["id"])
    grant = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    shown = [("authorization", filled(text, words)) for text in case["input"].get("authorization", [])]
    body = {name: filled(text, words) for name, text in case["input"].get("body", {}).items()}
    answer = await home.issuer.token(headers(FORM, *shown), form({**grant, **body}))
    if answer.status == 200:
        assert case["verdict"] == "accept"
        return
    assert "reject({} {})".format(*error_of(answer)) == case["verdict"]
    method = case["input"]["client"].split(" ")[1]
    proof = {"none": {"client_id": words["id"]}, "client_secret_basic": {}}.get(
        method, {"client_id": words["id"], "client_secret": words["secret"]}
    )
    raw = [basic(words["id"], words["secret"])] if method == "client_secret_basic" else []
    right = await home.issuer.token(headers(FORM, *raw), form({**grant, **proof}))
    assert right.status == 200, "a failed attempt must not use the code up"
