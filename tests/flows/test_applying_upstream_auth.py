"""Accounts at servers in the configuration file: planned, applied, changed, listed, and refused beside the field."""

from typing import Any

import pytest

from gateway_core.errors import Invalid
from gateway_core.ports import ANY, Put
from gateway_core.registry.forwarded import HeaderForwarding, IdentityForwarding
from gateway_core.registry.upstream_auth import ClientCredentials, HeaderValue, OAuth
from gateway_core.storage import keys
from tests.flows.desks import Desk
from tests.flows.foreign import ISSUER
from tests.flows.gateways import Gateway, gateway
from tests.flows.test_applying import changes
from tests.flows.upstreams import Json

URL = "https://mcp.example.com/mcp"
SECRET: Json = {"secret": "linear-client"}
CLIENT: Json = {"type": "oauth", "client_id": "us", "client_secret": SECRET}
EXCHANGE: Json = {"type": "token_exchange", "subject": "identity", "issuer": "https://login.acme.example"}
BELIEVED: Json = {"issuer": ISSUER, "audience": "us", "jwks_uri": "https://login.acme.example/jwks"}
PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIBlX\nAAAA\n-----END PRIVATE KEY-----"


def config(**fields: Any) -> Json:
    return {"servers": [{"slug": "linear", "url": URL, "workspaces": ["research"], **fields}]}


async def told(gw: Gateway, **fields: Any) -> list[tuple[str, str]]:
    """The problems that applying a server is refused with."""
    try:
        await gw.apply(config(**fields))
    except Invalid as problem:
        return [(".".join(map(str, path[3:])), message) for path, message in problem.problems]
    return []


async def test_an_account_is_planned_applied_changed_and_taken_away_and_applying_it_again_changes_nothing(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        assert await changes(gw, config(auth={"type": "oauth"})) == ["create server linear"]
        assert (await gw.admin.state()).servers["linear"].record.auth == OAuth()
        assert await changes(gw, config(auth={"type": "oauth", "granularity": "user"})) == []
        entered = {
            **CLIENT,
            "scopes": ["read"],
            "authorization_params": {"prompt": "consent", "access_type": "offline"},
        }
        assert await changes(gw, config(auth=entered)) == ["update server linear auth"]
        params = (("access_type", "offline"), ("prompt", "consent"))
        assert (await gw.admin.state()).servers["linear"].record.auth == OAuth(
            client_id="us", client_secret="linear-client", scopes=("read",), authorization_params=params
        )
        entered["authorization_params"] = {"access_type": "offline", "prompt": "consent"}
        assert await changes(gw, config(auth=entered)) == []
        own = {"type": "client_credentials", "client_id": "us", "private_key": SECRET, "granularity": "workspace"}
        assert await changes(gw, config(auth=own)) == ["update server linear auth"]
        assert (await gw.admin.state()).servers["linear"].record.auth == ClientCredentials(
            "us", private_key="linear-client", granularity="workspace"
        )
        assert await changes(gw, config()) == ["update server linear auth"]


async def test_what_goes_on_besides_is_planned_applied_changed_and_taken_away(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        with_all = {
            "forward_headers": ["x-team", {"from": "X-A", "to": "x-b"}],
            "headers": {"X-Env": "prod", "X-App": "gatehouse"},
            "identity": {"method": "jwt_header", "header": "X-Caller", "claims": ["email", "sub"]},
        }
        assert await changes(gw, config()) == ["create server linear"]
        assert await changes(gw, config(**with_all)) == ["update server linear forward_headers,headers,identity"]
        kept = (await gw.admin.state()).servers["linear"].record
        assert kept.forward_headers == HeaderForwarding("allowlist", (("x-a", "x-b"), ("x-team", "x-team")))
        assert kept.headers == (HeaderValue("X-App", "gatehouse"), HeaderValue("X-Env", "prod"))
        assert kept.identity == IdentityForwarding("jwt_header", "x-caller", ("sub", "email"))
        # In which order things are written makes no difference.
        with_all["forward_headers"].reverse()  # type: ignore[attr-defined]
        with_all["headers"] = {"X-App": "gatehouse", "X-Env": "prod"}
        assert await changes(gw, config(**with_all)) == []
        assert await changes(gw, config(**{**with_all, "headers": {}})) == ["update server linear headers"]
        assert await changes(gw, config()) == ["update server linear forward_headers,identity"]


async def test_a_server_that_an_earlier_version_kept_is_read_as_before_and_needs_no_change(tmp_path):
    async with gateway(tmp_path, {"linear": URL}) as gw:
        record = (await gw.admin.state()).servers["linear"].record
        item = await gw.table.get(keys.server(record.id))
        assert item is not None
        new = ("forward_headers", "headers", "identity")
        earlier = {name: value for name, value in item.data.items() if name not in new}
        assert earlier.keys() | set(new) == item.data.keys()
        await gw.table.transact([Put(item.key, earlier, ANY)])
        assert (await gw.admin.state()).servers["linear"].record == record
        assert await changes(gw, config()) == []


@pytest.mark.parametrize(
    "auth",
    [
        CLIENT,
        {"type": "client_credentials", "client_id": "us", "client_secret": SECRET},
        {"type": "client_credentials", "client_id": "us", "private_key": SECRET},
        {**EXCHANGE, "client_id": "us", "client_secret": SECRET},
    ],
)
async def test_a_secret_of_an_account_is_not_deleted_while_a_server_uses_it(tmp_path, auth: Json):
    async with gateway(tmp_path, {}) as gw:
        await gw.admin.set_secret("linear-client", "s3cret")
        await gw.apply(config(auth=auth))
        assert await gw.admin.list_secrets() == [("linear-client", ["linear"])]
        with pytest.raises(Invalid, match=r"is used by linear\. Change their auth first"):
            await gw.admin.delete_secret("linear-client")
        await gw.apply(config())
        await gw.admin.delete_secret("linear-client")


async def test_a_private_key_is_kept_as_it_comes_and_nothing_else_of_several_lines(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        headers = gw.headers(await gw.admin.secrets.get("admin-key"))
        for value, status in (
            (PEM, 204),
            (f"{PEM}\n", 204),
            (PEM.replace("\n", "\r\n"), 204),
            (PEM.replace("PRIVATE", "EC PRIVATE"), 204),
            ("two\nlines", 422),
            (f"Bearer x\n{PEM}", 422),
            (f"{PEM}\nX-Other: y", 422),
            (PEM.replace("AAAA", "AA\x00A"), 422),
        ):
            answer = await gw.http.put(f"{gw.url}/api/v1/secrets/linear-client", headers=headers, json={"value": value})
            assert answer.status_code == status, value
        assert "in one line, without spaces at its ends, or a key in PEM" in answer.json()["problems"][0]["message"]


async def test_the_list_of_servers_says_how_and_whose_and_neither_a_secret_nor_its_name(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        await gw.admin.set_secret("linear-client", "s3cret-value")
        own = {"type": "client_credentials", "client_id": "us", "client_secret": SECRET}
        named = {"type": "headers", "headers": {"Authorization": SECRET}}
        auths = [{"type": "none"}, named, {**CLIENT, "granularity": "workspace"}, own, EXCHANGE]
        entries = [{"slug": f"s{place}", "url": URL, "auth": auth} for place, auth in enumerate(auths)]
        await gw.apply({"servers": [{**entry, "headers": {"X-Env": "prod-value"}} for entry in entries]})
        headers = gw.headers(await gw.admin.secrets.get("admin-key"))
        listed = await gw.http.get(f"{gw.url}/api/v1/servers", headers=headers)
        assert [one["auth"] for one in listed.json()["servers"]] == [
            {"type": "none", "granularity": None},
            {"type": "headers", "granularity": None},
            {"type": "oauth", "granularity": "workspace"},
            {"type": "client_credentials", "granularity": "organisation"},
            {"type": "token_exchange", "granularity": None},
        ]
        assert all(one["headers"] == ["X-Env"] for one in listed.json()["servers"])
        assert not any(word in listed.text for word in ("s3cret-value", "linear-client", "prod-value"))


@pytest.mark.parametrize(
    ("auth", "field", "words"),
    [
        ({**CLIENT, "client_secret": "abc"}, "client_secret",
         "write {secret: NAME}, and set it with: gatehouse secrets set NAME"),
        ({"client_id": "x"}, "auth",
         "the field 'type' is missing; there are: none, headers, oauth, client_credentials, token_exchange"),
        ({"type": "oidc"}, "auth",
         "there is no type 'oidc' (there is: 'none', 'headers', 'oauth', 'client_credentials', 'token_exchange')"),
    ],
)  # fmt: skip
async def test_what_an_account_is_written_without_is_told_in_the_words_of_the_file(tmp_path, auth: Json, field, words):
    async with gateway(tmp_path, {}) as gw:
        key = await gw.admin.secrets.get("admin-key")
        answer = await gw.post("/api/v1/apply", {"config": config(auth=auth)}, key)
        (problem,) = answer.json()["problems"]
        assert (answer.status_code, problem["path"][-1], problem["message"]) == (422, field, words)


OAUTH_URLS = ("issuer", "authorization_endpoint", "token_endpoint", "revocation_endpoint")
NO_URLS = {
    "http://login.example.com/x": "The URL must start with https://.",
    "https://u:p@login.example.com/x": "without spaces, user name, password or fragment",
    "https://login.example.com/x#y": "without spaces, user name, password or fragment",
    "https://169.254.169.254/x": "This address is not public.",
    "https://10.1.2.3/x": "This address is not public.",
    "https://login.example.com:22/x": "Port 22 is not open for upstream servers.",
    "javascript:alert(1)": "Write the URL like https://host/path",
    "login.example.com": "Write the URL like https://host/path",
}


@pytest.mark.parametrize("wrong", NO_URLS)
async def test_each_url_of_an_account_is_judged_as_that_of_a_server_is(tmp_path, wrong: str):
    async with gateway(tmp_path, {}) as gw:
        good = dict.fromkeys(OAUTH_URLS, "http://127.0.0.1:9999/x")
        assert await told(gw, auth={"type": "oauth", **good}) == []
        for field in OAUTH_URLS:
            ((place, said),) = await told(gw, auth={"type": "oauth", **good, field: wrong})
            assert (place, NO_URLS[wrong] in said) == (f"auth.{field}", True), said
        own = {"type": "client_credentials", "client_id": "us", "client_secret": SECRET}
        for auth in (own, EXCHANGE):
            problems = await told(gw, auth={**auth, "token_endpoint": wrong, "issuer": wrong})
            assert [place for place, _ in problems] == ["auth.issuer", "auth.token_endpoint"]


async def test_a_header_in_which_tokens_of_other_issuers_come_is_never_passed_on(tmp_path):
    refused = [
        (
            "forward_headers.headers.0",
            "x-token-of-ours is never passed on: callers prove themselves with it. Leave it out",
        )
    ]
    passing = {"forward_headers": [{"from": "x-token-of-ours", "to": "x-b"}]}
    believed = {**BELIEVED, "header": "X-Token-Of-Ours"}
    async with gateway(tmp_path, {}) as gw:
        assert await told(gw, **passing) == []
        assert await told(gw, **passing, jwt_validation=believed) == refused
        # The organisation's holds where a server says nothing, and not where it does.
        await gw.apply({**config(), "jwt_validation": believed})
        assert await told(gw, **passing) == refused
        assert await told(gw, **passing, jwt_validation=BELIEVED) == []
        assert await told(gw, forward_headers={"mode": "all-except", "headers": ["x-token-of-ours"]}) == []
        assert await changes(gw, {**config(**passing), "jwt_validation": "none"}) == [
            "update server linear forward_headers",
            "delete jwt_validation organisation",
        ]


async def test_tokens_of_other_issuers_are_exchanged_only_where_some_are_believed(tmp_path):
    exchange = {**EXCHANGE, "subject": "bearer"}
    async with gateway(tmp_path, {}) as gw:
        assert await told(gw, auth=exchange) == [
            ("auth.subject", "no token of another issuer is believed here: write jwt_validation, or identity")
        ]
        assert await told(gw, auth=exchange, jwt_validation=BELIEVED) == []
        assert await changes(gw, {**config(auth=exchange), "jwt_validation": BELIEVED}) == [
            "update server linear jwt_validation",
            "create jwt_validation organisation",
        ]
        assert await told(gw, auth=exchange) == []


async def test_a_contradiction_is_told_by_the_api_beside_its_field_and_nothing_is_changed(tmp_path):
    async with gateway(tmp_path, {"linear": URL}) as gw:
        before = await gw.admin.state()
        key = await gw.admin.secrets.get("admin-key")
        for more, field, words in (
            ({"client_name": "Us"}, "client_name", "unknown field 'client_name' (there is: "),
            ({"token_endpoint_auth_method": "none"}, "token_endpoint_auth_method", "none sends no secret, and client_"),
        ):
            answer = await gw.post("/api/v1/apply", {"config": config(auth={**CLIENT, **more})}, key)
            assert answer.status_code == 422
            (problem,) = answer.json()["problems"]
            assert problem["path"] == ["config", "servers", 0, "auth", "oauth", field]
            assert problem["message"].startswith(words)
        assert await gw.admin.state() == before


def test_the_command_line_names_the_line_of_a_contradiction_and_lists_whose_accounts_there_are(desk: Desk, tmp_path):
    file = tmp_path / "gatehouse.yaml"
    admin = ("--url", desk.url, "--key", (desk.data / "admin.key").read_text().strip())
    text = f"""servers:
  - slug: linear
    url: {URL}
    auth:
      type: oauth
      granularity: workspace
      client_secret: {{secret: linear-client}}
"""
    file.write_text(text)
    refused = desk.refused("apply", "-f", str(file), *admin)
    assert f"{file}:7: servers[0].auth.client_secret: this is of a client that was entered by hand" in refused
    file.write_text(f"{text}      client_id: gatehouse\n")
    assert desk.told("apply", "-f", str(file), *admin) == "created server linear\n"
    titles, demo, linear = desk.told("servers", "list", *admin).splitlines()
    assert titles.split("  ")[0] == "SERVER"
    assert demo.split()[:4] == ["demo", "none", "-", "demo-team"]
    assert linear.split() == ["linear", "oauth", "workspace", "-", URL]
