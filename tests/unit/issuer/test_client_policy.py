"""Which clients an organisation allows: whose documents, which of them are fetched, and what is offered."""

import pytest

from gateway_core.errors import OAuthError
from gateway_core.issuer.metadata import server_metadata
from gateway_core.registry import client_policy
from gateway_core.registry.client_policy import ClientPolicy, from_data, to_data
from gateway_core.storage import keys
from tests.certificates import Authority
from tests.unit.issuer.house import FORM, PUBLIC, House, basic, error_of, form, headers, house
from tests.unit.issuer.vendor import vendor_site

CLAUDE = "https://claude.ai/oauth/claude-code-client-metadata"
PORTAL = {"redirect_uri": "https://portal.example/callback"}
NOBODY = ClientPolicy("none", dynamic_registration=False)


async def decide(home: House, policy: ClientPolicy) -> None:
    await home.table.put(keys.client_policy(), to_data(policy))


async def refusal(home: House, client_id: str) -> OAuthError:
    with pytest.raises(OAuthError) as caught:
        await home.issuer.clients.find(client_id)
    assert (caught.value.error, caught.value.reason) == ("invalid_client", "client_not_allowed")
    return caught.value


@pytest.mark.parametrize(
    ("policy", "host", "known", "allowed"),
    [
        (ClientPolicy(), "anybody.example", False, True),
        (ClientPolicy("known"), "claude.ai", True, True),
        (ClientPolicy("known"), "claude.ai", False, False),
        (ClientPolicy("none"), "claude.ai", True, False),
        (ClientPolicy(("claude.ai",)), "claude.ai", False, True),
        (ClientPolicy(("claude.ai",)), "claude.ai:443", False, True),
        (ClientPolicy(("claude.ai",)), "claude.ai:8443", True, False),
        (ClientPolicy(("claude.ai:8443",)), "claude.ai:8443", False, True),
        (ClientPolicy(("claude.ai:8443",)), "claude.ai", False, False),
        (ClientPolicy(("claude.ai",)), "www.claude.ai", False, False),
        (ClientPolicy(("claude.ai",)), "claude.ai.evil.example", False, False),
        (ClientPolicy(("claude.ai",)), "notclaude.ai", False, False),
        (ClientPolicy(("claude.ai",)), "ai", False, False),
        # What a later version may have written lets nobody in here.
        (from_data({"metadata_documents": "some", "dynamic_registration": True}), "claude.ai", True, False),
    ],
)
def test_a_document_is_allowed_by_exactly_its_host(policy, host, known, allowed):
    assert policy.allows_document(host, known=known) is allowed


@pytest.mark.parametrize("policy", [ClientPolicy(), NOBODY, ClientPolicy(("a.example", "b.example:8443"))])
async def test_a_policy_is_read_as_it_was_written(home: House, policy: ClientPolicy):
    assert await client_policy.read(home.table) == ClientPolicy()
    await decide(home, policy)
    assert await client_policy.read(home.table) == policy


@pytest.mark.parametrize(
    ("policy", "registers", "documents"),
    [
        (ClientPolicy(), True, True),
        (ClientPolicy("known", dynamic_registration=False), False, True),
        (ClientPolicy(("claude.ai",)), True, True),
        (NOBODY, False, False),
    ],
)
def test_the_metadata_offers_the_ways_in_that_are_open_to_somebody(policy, registers, documents):
    found = server_metadata(PUBLIC, policy)
    assert ("registration_endpoint" in found) is registers
    assert found["client_id_metadata_document_supported"] is documents


async def test_no_document_is_fetched_of_a_site_that_is_not_allowed_nor_one_used_that_was_fetched_before(
    tmp_path, tmp_path_factory
):
    authority = Authority.found(tmp_path_factory.mktemp("authority"))
    async with vendor_site(authority) as (vendor, egress), house(tmp_path, egress=egress, known={}) as home:
        host = vendor.url.split("/")[2]
        for documents in ("known", "none", ("vendor.example",), (f"www.{host}",)):
            await decide(home, ClientPolicy(documents))
            told = await refusal(home, vendor.url)
            assert f"does not allow the app {vendor.url} here. Ask an administrator" in told.message
        assert vendor.asked == []
        await decide(home, ClientPolicy((host,)))
        assert await home.issuer.clients.find(vendor.url) is not None
        assert len(vendor.asked) == 1
        await decide(home, ClientPolicy("none"))
        await refusal(home, vendor.url)
        assert len(vendor.asked) == 1


async def test_the_documents_that_come_with_the_gateway_are_known_by_their_whole_url(home: House):
    await decide(home, ClientPolicy("known"))
    found = await home.issuer.clients.find(CLAUDE)
    assert found is not None
    assert found.host == "claude.ai"
    await refusal(home, "https://claude.ai/somebody/else.json")
    await refusal(home, f"{CLAUDE}?")


@pytest.mark.parametrize(
    "client_id", ["https://claude.ai@evil.example/c", "https://claude.ai", "https://claude.ai\\@evil.example/c"]
)
async def test_what_only_looks_like_an_allowed_url_is_no_client(home: House, client_id: str):
    await decide(home, ClientPolicy(("claude.ai",)))
    with pytest.raises(OAuthError, match="is no URL of a client metadata document"):
        await home.issuer.clients.find(client_id)


async def test_who_registered_itself_is_refused_by_its_name_and_a_made_up_id_is_unknown(home: House):
    client_id, _ = await home.dynamic(client_name="Probe")
    await decide(home, ClientPolicy(dynamic_registration=False))
    assert "as this one did under the name 'Probe'. Ask an administrator" in (await refusal(home, client_id)).message
    assert await home.issuer.clients.find(client_id[:-1] + ("A" if client_id[-1] != "A" else "B")) is None
    await decide(home, ClientPolicy("none"))
    assert await home.issuer.clients.find(client_id) is not None


async def test_a_client_that_is_not_allowed_any_more_gets_no_tokens_and_has_them_again_when_it_is(home: House):
    for client_id in (CLAUDE, (await home.dynamic())[0]):
        tokens = await home.signed_in(client_id)
        code = await home.code(client_id)
        await decide(home, NOBODY)
        for answer in (await home.redeem(client_id, code), await home.refresh(client_id, tokens["refresh_token"])):
            assert error_of(answer) == (401, "invalid_client")
            assert "Ask an administrator: the section clients" in answer.body["error_description"]
        # Nothing was used up or taken away: the access token lives to its end, and the rest may be good again.
        assert await home.good(tokens)
        await decide(home, ClientPolicy())
        assert (await home.redeem(client_id, code)).status == 200
        assert (await home.refresh(client_id, tokens["refresh_token"])).status == 200


async def test_a_client_that_is_not_allowed_any_more_may_give_up_what_it_has(home: House):
    tokens = await home.signed_in(CLAUDE)
    await decide(home, NOBODY)
    sent = form({"client_id": CLAUDE, "token": tokens["refresh_token"]})
    assert (await home.issuer.revoke(headers(FORM), sent)).status == 200
    assert not await home.good(tokens)


async def test_a_client_that_is_not_allowed_any_more_checks_no_tokens(home: House):
    client_id, secret = await home.dynamic(token_endpoint_auth_method="client_secret_basic")
    asking = headers(FORM, basic(client_id, secret))
    assert (await home.issuer.introspect(asking, b"token=x")).body == {"active": False}
    await decide(home, NOBODY)
    assert error_of(await home.issuer.introspect(asking, b"token=x")) == (401, "invalid_client")


async def test_what_an_administrator_entered_and_the_command_line_are_allowed_whatever_is_said(home: House):
    await decide(home, NOBODY)
    client_id, secret = await home.entered()
    code = await home.code(client_id, **PORTAL)
    answer = await home.redeem(client_id, code, basic(client_id, secret), client_id=None, **PORTAL)
    assert answer.status == 200
    assert await home.issuer.clients.find("gatehouse-cli") is not None
