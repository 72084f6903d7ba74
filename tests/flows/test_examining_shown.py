"""What a look at a server shows of its answers: how many tools there are, and no credential, whatever it sends."""

import base64
import html
import json
from urllib.parse import quote

import pytest

from tests.flows.gateways import gateway
from tests.flows.test_examining import failed, looked, outcomes, owner
from tests.flows.tracker import left, scene
from tests.flows.upstreams import Asked, result, unaided


async def _speaking_legacy(asked: Asked) -> None:
    """A server of 2025-11-25 with sessions and two pages of tools, of which the second comes on a stream."""
    if asked.rpc == "initialize":
        offered = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}}
        await asked.respond.json(result(asked, offered), headers={"mcp-session-id": "a-session"})
    elif asked.rpc == "tools/list" and asked.headers.get("mcp-session-id") == "a-session":
        if "cursor" not in asked.message["params"]:
            await asked.respond.json(result(asked, {"tools": [{"name": "a"}, {"name": "b"}], "nextCursor": "more"}))
        else:
            await asked.respond.stream()
            await asked.respond.event(result(asked, {"tools": [{"name": "c"}]}))
            await asked.respond.end()
    else:
        await asked.respond.raw(
            b"", 202 if asked.method in ("POST", "DELETE") and asked.rpc != "server/discover" else 404
        )


async def test_a_server_of_an_earlier_revision_is_asked_in_a_session_that_is_ended(tmp_path):
    async with unaided(_speaking_legacy) as server, gateway(tmp_path, {"old": server.url}) as gw:
        found = await looked(gw, "old")
        assert outcomes(found) == [("address", "ok"), ("challenge", "ok"), ("tools", "ok")]
        assert found["steps"][-1]["told"] == "old lists 3 tools, by revisions up to 2025-11-25."
        ended = [one for one in server.seen if one.method == "DELETE"]
        opened = [one for one in server.seen if one.rpc == "initialize"]
        assert len(ended) == len(opened)


async def test_no_credential_is_shown_whatever_a_server_makes_of_it(tmp_path):
    """A server that repeats what it was sent: whole, in parts, and in its own words."""
    secret = "sk-live-0123456789abcdef"

    async def repeating(asked: Asked) -> None:
        sent = asked.headers.get("x-api-key", "nothing")
        words = f"the key {sent} of {sent[4:16]} is good for nothing, {sent[-9:]}"
        await asked.respond.json(
            {"jsonrpc": "2.0", "id": (asked.message or {}).get("id"), "error": {"code": -32000, "message": words}},
            400, {"www-authenticate": f'Custom error="{words}"'},
        )  # fmt: skip

    headers = {"type": "headers", "headers": {"X-Api-Key": {"secret": "rude-key"}}}
    async with unaided(repeating) as server, gateway(tmp_path, {}) as gw:
        await gw.admin.set_secret("rude-key", secret)
        entry = {"slug": "rude", "url": server.url, "workspaces": ["research"], "auth": headers}
        await gw.apply({"servers": [entry]})
        found = await looked(gw, "rude")
        assert failed(found)["name"] == "tools"
        assert any(one.headers.get("x-api-key") == secret for one in server.seen)
        text = json.dumps(found)
        assert "good for nothing" in text
        assert "(removed)" in text
        assert not [secret[at : at + 8] for at in range(len(secret) - 7) if secret[at : at + 8] in text]


WORDS = 'sk/live+0123456789 "second"&part~?>~?>~?>~?=='
SPELT = {
    "as it is": lambda sent: sent,
    "in capitals": str.upper,
    "in a URL": lambda sent: quote(sent, safe=""),
    "in a page": html.escape,
    "in JSON": lambda sent: json.dumps(sent)[1:-1],
    "in hex": lambda sent: sent.encode().hex(),
    "in base64": lambda sent: base64.b64encode(f"Key {sent}".encode()).decode(),
    "in base64 of URLs": lambda sent: base64.urlsafe_b64encode(f"x: {sent}".encode()).decode(),
}


@pytest.mark.parametrize("spelt", SPELT)
async def test_no_credential_is_shown_however_it_is_spelt(tmp_path, spelt):
    """A header of two words, and a key in the URL."""
    key = "0123 key of the/URL"
    shown = [SPELT[spelt](WORDS), SPELT[spelt](key)]

    async def repeating(asked: Asked) -> None:
        keyed = shown if asked.headers.get("x-account") == WORDS else shown[1:]
        await asked.respond.raw(" | ".join(("No use:", *keyed)).encode(), 400, {"content-type": "text/plain"})

    headers = {"type": "headers", "headers": {"X-Account": {"secret": "rude-key"}}}
    async with unaided(repeating) as server, gateway(tmp_path, {}) as gw:
        await gw.admin.set_secret("rude-key", WORDS)
        url = f"{server.url}?via={quote(key, safe='')}"
        await gw.apply({"servers": [{"slug": "rude", "url": url, "workspaces": ["research"], "auth": headers}]})
        found = await looked(gw, "rude")
        bodies = [step["exchange"]["body"] for step in found["steps"] if step["exchange"] is not None]
        assert len([body for body in bodies if body.startswith("No use: ") and "(removed)" in body]) == len(bodies) > 1
        # Letters at the edges of base64 hold bits of what stands beside it.
        pieces = [said[at : at + 8] for said in shown for at in range(8, len(said) - 11)]
        assert not [piece for piece in pieces if any(piece in body for body in bodies)]


async def test_no_token_is_shown_that_an_authorization_server_repeats(tmp_path):
    async with scene(tmp_path) as at:
        await at.at.ana.open(at.tracker.visit(await left(at.at.ana)))
        at.gw.clock[0] += 3_600
        refresh = "refresh-1-ana"
        at.tracker.refusal = {"error": "nothing", "hint": f"<{refresh}>", "error_description": f"no {refresh} here"}
        found = await looked(at.gw, "tracker", await owner(at.gw))
        assert at.tracker.forms[-1].fields["refresh_token"] == refresh
        assert failed(found)["name"] == "account"
        text = json.dumps(found)
        assert "(removed)" in text
        assert not [refresh[at : at + 8] for at in range(len(refresh) - 7) if refresh[at : at + 8] in text]
