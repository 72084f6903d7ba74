"""Corpus O5: what servers of others say about a log-in, in challenges, metadata documents and registrations."""

import json
from typing import Any

from gateway_core.connect.asking import Answer
from gateway_core.connect.client_metadata import OwnClient
from gateway_core.connect.discovery import Found, discover
from gateway_core.connect.registering import register
from gateway_core.connect.steps import Trail
from gateway_core.protocol.challenges import bearer
from tests.unit.connect.world import ISSUER, METADATA, RESOURCE, URL, World, outcome, said, server, world
from tests.unit.issuer.corpus import cases

NOW = 1_800_000_000
OWN = OwnClient.at("https://gateway.example")


def answer(given: dict[str, Any], good: dict[str, Any]) -> Answer:
    """What a case says comes back."""
    status = given.get("status", 200)
    if "raw" in given:
        return said(given["raw"], status)
    if "hex" in given:
        return said(bytes.fromhex(given["hex"]), status)
    document = {name: value for name, value in good.items() if name not in given.get("without", ())}
    return said(given.get("document", document | given.get("with", {})), status)


async def found(given: dict[str, Any]) -> Any:
    """What discovery makes of it: an object, or at which step it stopped."""
    ask = world(**{given["kind"]: answer(given, RESOURCE if given["kind"] == "resource" else METADATA)})
    url = given.get("url", URL)
    ask.pages[f"POST {url}"] = ask.pages[f"POST {URL}"]
    ended = await outcome(server(url=url), ask)
    if isinstance(ended, Found):
        return ended
    assert ended.message == ended.steps[-1].told
    return f"reject({ended.steps[-1].name})"


async def registered(given: dict[str, Any]) -> Any:
    ask = World({f"POST {ISSUER}/register": answer(given, {})})
    return await register(Trail(ask), await discover(server(), world()), OWN, organisation="Acme", now=NOW)


@cases("upstream_metadata.jsonl", at_least=140)
async def test_what_others_say_about_a_log_in_is_believed_exactly_as_far_as_the_specifications_go(case: dict[str, Any]):
    given, verdict = case["input"], case["verdict"]
    if given["kind"] == "challenge":
        challenge = bearer(given["field"])
        read = challenge and {"parameters": challenge.parameters, "scopes": list(challenge.scopes)}
        assert read == verdict
        return
    made = await (registered(given) if given["kind"] == "registration" else found(given))
    if isinstance(verdict, str):
        told = f"reject: {made}" if given["kind"] == "registration" and isinstance(made, str) else made
        assert isinstance(told, str)
        assert told.startswith(verdict)
        assert told.replace("\n", "").isprintable()
        return
    assert json.loads(json.dumps({name: getattr(made, name) for name in verdict})) == verdict
