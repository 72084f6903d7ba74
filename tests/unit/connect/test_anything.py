"""Discovery and registration at servers that say anything at all."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway_core.connect.client_metadata import OwnClient
from gateway_core.connect.discovery import Found, discover
from gateway_core.connect.locations import refusal_of
from gateway_core.connect.registering import Registered, register
from gateway_core.connect.steps import DiscoveryFailed, Trail
from gateway_core.errors import UpstreamClosed
from gateway_core.registry.upstream_auth import ClientCredentials, OAuth
from tests.unit.connect.world import (
    ISSUER,
    METADATA,
    RESOURCE,
    URL,
    World,
    challenged,
    outcome,
    said,
    server,
    world,
)

Draw = st.SearchStrategy[Any]
words = st.text(max_size=12)
urls = st.sampled_from(
    [URL, ISSUER, f"{ISSUER}/token", "http://127.0.0.1/", "javascript:x", "https://[", "https://é/", "//x"]
)
json: Draw = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | words | urls,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | st.sampled_from([*METADATA, *RESOURCE]), inner),
    max_leaves=8,
)
fields = st.one_of(
    st.none(), words, urls.map(lambda url: f'Bearer resource_metadata="{url}"'), words.map(lambda it: f"Bearer {it}")
)
NAMES = [*METADATA, *RESOURCE, "revocation_endpoint", "client_id_metadata_document_supported"]


def changed(names: list[str]) -> Draw:
    """Members that replace those of a good document, or something that replaces the whole."""
    return st.dictionaries(st.sampled_from(names), json, max_size=3) | json.map(said)


@given(fields, changed([*RESOURCE]), changed(NAMES), st.sampled_from([401, 403, 200, 500]))
async def test_whatever_servers_say_ends_in_a_log_in_that_can_be_used_or_in_words(field, resource, metadata, status):
    ask = world(server=challenged(field, status), resource=resource, metadata=metadata)
    for auth in (OAuth(), ClientCredentials("id", client_secret="x")):
        ended = await outcome(server(auth), ask)
        if isinstance(ended, Found):
            assert_usable(ended, browser=isinstance(auth, OAuth))
        else:
            assert ended.message.endswith(".")
            assert ended.steps[-1].outcome == "failed"


def assert_usable(found: Found, *, browser: bool) -> None:
    endpoints = [found.token_endpoint, *([found.authorization_endpoint] if browser else [])]
    optional = [found.registration_endpoint, found.revocation_endpoint]
    assert all(refusal_of(url, plain_http=False) is None for url in [*endpoints, *(url for url in optional if url)])
    assert URL.startswith(found.resource.removesuffix("/"))
    assert all(isinstance(word, str) for word in (*found.scopes, *found.auth_methods))


@given(json, st.sampled_from([200, 201, 400, 401, 403, 429, 500]))
async def test_whatever_a_registration_is_answered_ends_in_a_client_or_in_words(body, status):
    found = await discover(server(), world())
    ask = World({f"POST {ISSUER}/register": said(body, status)})
    made = await register(Trail(ask), found, OwnClient.at("https://gateway.example"), organisation="Acme", now=7)
    assert isinstance(made, Registered | str)
    assert made


async def test_an_authorization_server_on_this_machine_is_for_who_enters_it_and_not_for_a_server_that_names_it():
    here = "http://127.0.0.1:9001"
    metadata = {"issuer": here, "authorization_endpoint": f"{here}/a", "token_endpoint": f"{here}/t"}
    ask = world(resource={"authorization_servers": [here]})
    ask.pages[f"GET {here}/.well-known/oauth-authorization-server"] = said(METADATA | metadata)
    assert isinstance(await outcome(server(), ask), DiscoveryFailed)
    assert not any(here in asked for asked in ask.asked)
    assert isinstance(await outcome(server(OAuth(issuer=here)), ask), Found)


async def test_an_answer_that_breaks_off_is_one_that_did_not_come():
    for page in [*world().pages][1:]:
        ask = world()
        ask.pages[page] = UpstreamClosed("The server's answer stopped early.")
        ended = await outcome(server(), ask)
        assert isinstance(ended, DiscoveryFailed)
        assert any("The server's answer stopped early" in step.told for step in ended.steps)
