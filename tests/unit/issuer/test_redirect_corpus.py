"""Corpus O1: which redirect URIs may be registered, and which a request may name."""

from gateway_core.issuer import redirects
from gateway_core.issuer.client import Client
from gateway_core.issuer.client_metadata import Unacceptable, redirect_uris
from tests.unit.issuer.corpus import cases


def verdict_on(given: dict[str, str]) -> str:
    if "uri" in given:
        try:
            redirect_uris({"redirect_uris": [given["uri"]]})
        except Unacceptable as problem:
            return f"reject({problem.code})"
        return "accept"
    assert redirects.problem_of(given["registered"]) is None
    client = Client("c-22222222", "registered", "App", (given["registered"],), "none")
    return "accept" if client.may_redirect_to(given["asked"]) else "reject(page)"


@cases("redirect_uris.jsonl", at_least=300)
def test_every_redirect_uri_gets_the_verdict_of_the_specifications(case):
    assert verdict_on(case["input"]) == case["verdict"]
