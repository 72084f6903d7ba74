"""`jwt_validation` in the configuration file: what it takes, what it refuses, and that a change counts at once."""

import pytest
from pydantic import ValidationError

from gateway_core.admin.drafts import ConfigDraft
from gateway_core.errors import Invalid
from gateway_core.registry.jwt_validation import InlineKeys, KeySetUrl
from tests.flows.foreign import AUDIENCE, EC, ISSUER, RSA, believe, issuing, public, token
from tests.flows.gateways import gateway
from tests.flows.test_applying import changes
from tests.flows.test_jwt import PATH, status_of
from tests.flows.upstreams import Json, upstream, weather

VALID: Json = {"issuer": ISSUER, "audience": AUDIENCE, "jwks_uri": "https://login.acme.example/jwks"}
ASKED: Json = {"endpoint": "https://login.acme.example/introspect", "client_id": "us", "client_secret": {"secret": "s"}}


def without(name: str, **more: object) -> Json:
    return {key: value for key, value in {**VALID, **more}.items() if key != name}


async def test_a_servers_setting_is_planned_applied_changed_and_taken_away(tmp_path):
    server: Json = {"slug": "linear", "url": "https://mcp.example.com/mcp", "workspaces": ["research"]}
    async with gateway(tmp_path, {}) as gw:
        with_it = {**server, "jwt_validation": VALID}
        assert await changes(gw, {"servers": [with_it]}) == ["create server linear"]
        assert await changes(gw, {"servers": [with_it]}) == []
        kept = (await gw.admin.state()).servers["linear"].record.jwt_validation
        assert kept is not None
        assert (kept.vouching, kept.audience) == (KeySetUrl(VALID["jwks_uri"]), (AUDIENCE,))
        inline = {**without("jwks_uri"), "jwks": public(RSA), "header": "X-Auth"}
        assert await changes(gw, {"servers": [{**server, "jwt_validation": inline}]}) == [
            "update server linear jwt_validation"
        ]
        kept = (await gw.admin.state()).servers["linear"].record.jwt_validation
        assert kept is not None
        assert isinstance(kept.vouching, InlineKeys)
        assert kept.header == "x-auth"
        assert await changes(gw, {"servers": [server]}) == ["update server linear jwt_validation"]
        assert (await gw.admin.state()).servers["linear"].record.jwt_validation is None


async def test_the_organisations_setting_stays_until_it_is_changed_or_taken_away(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        assert await changes(gw, {"jwt_validation": "none"}) == []
        assert await changes(gw, {"jwt_validation": VALID}) == ["create jwt_validation organisation"]
        assert await changes(gw, {"jwt_validation": VALID}) == []
        assert await changes(gw, {"organisation": "Acme"}) == ["update organisation Acme name"]
        told = await changes(gw, {"jwt_validation": {**VALID, "max_age_s": "60", "algorithms": ["ES256"]}})
        assert told == ["update jwt_validation organisation algorithms,max_age_s"]
        assert await changes(gw, {}, prune=True) == ["delete workspace research", "delete workspace sales"]
        assert (await gw.admin.state()).jwt_validation is not None
        assert await changes(gw, {"jwt_validation": "none"}) == ["delete jwt_validation organisation"]
        assert (await gw.admin.state()).jwt_validation is None


async def test_a_changed_setting_counts_from_the_next_call_on(tmp_path):
    async with upstream(weather) as server, issuing() as issuer, gateway(tmp_path, {"weather": server.url}) as gw:
        shown = token({"groups": ["sales", "eng"]})
        for rule, status in (
            ({"match": "contains", "values": ["eng"]}, 200),
            ({"match": "containsAll", "values": ["eng", "ops"]}, 401),
            ({"match": "regex", "value": "e[a-z]{2}"}, 200),
            ({"match": "regex", "value": "n"}, 401),
            ({"value": "eng"}, 401),
        ):
            await believe(gw, server.url, issuer.validation(claim_values={"groups": rule}), "weather")
            assert await status_of(gw, shown) == status, rule
        await believe(gw, server.url, issuer.validation(required_claims=["email"]), "weather")
        refused = await gw.post(PATH, {}, shown)
        assert "This token lacks claims that are asked for here: email." in refused.json()["error"]["message"]
        assert refused.json()["error"]["data"] == {"reason": "jwt_claims"}
        await believe(gw, server.url, issuer.validation(max_age_s=60), "weather")
        gw.clock[0] += 66
        assert await status_of(gw, shown) == 401
        await believe(gw, server.url, issuer.validation(clock_tolerance_s=120, max_age_s=60), "weather")
        assert await status_of(gw, shown) == 200


async def test_a_secret_that_an_issuer_is_asked_with_is_not_deleted_while_it_is_used(tmp_path):
    introspection = without("jwks_uri", introspection=ASKED)
    async with gateway(tmp_path, {"linear": "https://mcp.example.com/mcp"}) as gw:
        await gw.admin.set_secret("s", "x")
        await gw.apply({"jwt_validation": introspection})
        await believe(gw, "https://mcp.example.com/mcp", introspection, "linear")
        assert await gw.admin.list_secrets() == [("s", ["linear", "jwt_validation of the organisation"])]
        with pytest.raises(Invalid, match="is used by linear, jwt_validation of the organisation"):
            await gw.admin.delete_secret("s")


async def test_the_list_of_servers_names_the_issuer_and_nothing_that_is_asked_of_its_tokens(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        server = {"slug": "linear", "url": "https://mcp.example.com/mcp", "workspaces": ["research"]}
        await gw.apply({"servers": [{**server, "jwt_validation": VALID}, {**server, "slug": "other"}]})
        key = await gw.admin.secrets.get("admin-key")
        listed = await gw.http.get(f"{gw.url}/api/v1/servers", headers={"authorization": f"Bearer {key}"})
        assert [one["jwt_validation"] for one in listed.json()["servers"]] == [{"issuer": ISSUER}, None]


BAD: dict[str, tuple[Json, str]] = {
    "no issuer": (without("issuer"), "Field required"),
    "an issuer with a space": ({**VALID, "issuer": "a b"}, "should match pattern"),
    "no audience": (without("audience"), "Field required"),
    "no audiences": ({**VALID, "audience": []}, "at least 1 item"),
    "no way to prove a token": (without("jwks_uri"), "write one of jwks_uri, jwks and introspection"),
    "two ways": ({**VALID, "introspection": ASKED}, "write one of jwks_uri, jwks and introspection"),
    "an unknown field": ({**VALID, "jwksUri": "https://x"}, "unknown field 'jwksUri'"),
    "alg none": ({**VALID, "algorithms": ["none"]}, "'none' is not offered: use RS256"),
    "a shared secret": ({**VALID, "algorithms": ["RS256", "HS256"]}, "'HS256' is not offered"),
    "no algorithms": ({**VALID, "algorithms": []}, "at least 1 item"),
    "a private key": (without("jwks_uri", jwks={"keys": [RSA.as_dict(private=True)]}), "this holds a private key"),
    "a shared key": (without("jwks_uri", jwks={"keys": [{"kty": "oct", "k": "eA"}]}), "this holds a private key"),
    "keys of another kind": (without("jwks_uri", jwks=public(EC)), "jwks has no key for RS256"),
    "no keys": (without("jwks_uri", jwks={"keys": []}), "a key set is written {keys"),
    "keys that are none": (without("jwks_uri", jwks={"keys": "x"}), "a key set is written {keys"),
    "too many keys": (without("jwks_uri", jwks={"keys": [{"x": "y" * 33_000}]}), "at most 32 KB"),
    "a secret in the file": (
        without("jwks_uri", introspection={**ASKED, "client_secret": "s3cret"}), "write {secret: NAME}",
    ),
    "a header of MCP": ({**VALID, "header": "Mcp-Session-Id"}, "holds something else already"),
    "a header for API keys": ({**VALID, "header": "X-Api-Key"}, "holds something else already"),
    "a cookie": ({**VALID, "header": "Cookie"}, "holds something else already"),
    "the host": ({**VALID, "header": "Host"}, "Host|host"),
    "no header's name": ({**VALID, "header": "X Auth"}, "A header's name may hold"),
    "a tolerance without end": ({**VALID, "clock_tolerance_s": 301}, "less than or equal to 300"),
    "no age": ({**VALID, "max_age_s": 0}, "greater than or equal to 1"),
    "a rule without values": ({**VALID, "claim_values": {"g": {"match": "exact"}}}, "write one of value and values"),
    "a rule with both": (
        {**VALID, "claim_values": {"g": {"value": "a", "values": ["b"]}}}, "write one of value and values",
    ),
    "another way of matching": ({**VALID, "claim_values": {"g": {"match": "like", "value": "a"}}}, "'exact'"),
    "a pattern that cannot be read": (
        {**VALID, "claim_values": {"g": {"match": "regex", "value": "^a$"}}}, "no anchors are needed",
    ),
    "a pattern that takes for ever elsewhere, with a reference": (
        {**VALID, "claim_values": {"g": {"match": "regex", "value": "(a+)+\\1"}}}, "cannot be used",
    ),
    "six patterns": (
        {**VALID, "claim_values": {"g": {"match": "regex", "values": ["a"] * 6}}}, "at most 5 patterns",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_would_let_in_too_many_or_cannot_work_is_refused_when_it_is_written(name):
    wrong, words = BAD[name]
    server = {"slug": "linear", "url": "https://mcp.example.com/mcp", "jwt_validation": wrong}
    for config in ({"servers": [server]}, {"jwt_validation": wrong}):
        with pytest.raises(ValidationError, match=words) as problem:
            ConfigDraft.model_validate(config)
        assert "jwt_validation" in str(problem.value.errors()[0]["loc"])


async def test_a_url_that_the_gateway_could_never_call_is_told_beside_its_field(tmp_path):
    inside: Json = {**VALID, "jwks_uri": "http://169.254.169.254/jwks"}
    asking = without("jwks_uri", introspection={**ASKED, "endpoint": "ftp://x"})
    async with gateway(tmp_path, {}) as gw:
        server = {"slug": "linear", "url": "https://mcp.example.com/mcp"}
        with pytest.raises(Invalid) as problem:
            await gw.apply({"jwt_validation": asking, "servers": [{**server, "jwt_validation": inside}]})
        assert [path for path, _ in problem.value.problems] == [
            ("config", "servers", 0, "jwt_validation", "jwks_uri"),
            ("config", "jwt_validation", "introspection", "endpoint"),
        ]
