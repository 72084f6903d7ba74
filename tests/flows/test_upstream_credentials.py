"""Headers that the gateway adds for an upstream: from secrets, fresh, and never anybody else's."""

from gateway_core.registry.upstream_auth import MAX_HEADER_VALUE
from tests.flows.gateways import call, gateway
from tests.flows.upstreams import Asked, text, upstream, weather

AUTH = {"type": "headers", "headers": {"Authorization": {"secret": "linear-token"}, "X-Tenant": "acme"}}


async def test_secret_and_plain_headers_reach_the_upstream_and_the_clients_own_do_not(tmp_path):
    async def echo(asked: Asked) -> None:
        await asked.respond.json(text(asked, "ok"))

    async with upstream(echo) as server, gateway(tmp_path, {"linear": {"url": server.url, "auth": AUTH}}) as gw:
        await gw.admin.set_secret("linear-token", "Bearer first")
        await gw.post("/linear/mcp", call(), x_tenant="evil", cookie="a=b", x_forwarded_for="1.2.3.4")
        headers = server.seen[0].headers
        assert headers["authorization"] == "Bearer first"
        assert headers["x-tenant"] == "acme"
        assert not {"cookie", "x-forwarded-for", "origin"} & headers.keys()
        # A new value is used by the next call of every process.
        await gw.admin.set_secret("linear-token", "Bearer second")
        await gw.post("/linear/mcp", call())
        assert server.seen[1].headers["authorization"] == "Bearer second"


async def test_a_secret_rotated_outside_is_read_again_after_a_401_and_the_call_sent_once_more(tmp_path):
    accepted = "Bearer new"

    async def strict(asked: Asked) -> None:
        if asked.headers["authorization"] == accepted:
            await asked.respond.json(text(asked, "ok"))
        else:
            await asked.respond.raw(b"", 401)

    async with upstream(strict) as server, gateway(tmp_path, {"linear": {"url": server.url, "auth": AUTH}}) as gw:
        await gw.admin.set_secret("linear-token", "Bearer old")
        refused = await gw.post("/linear/mcp", call())
        assert refused.status_code == 200
        assert "refused the gateway's own credential (HTTP 401)" in refused.text
        # Nothing newer was to be had, so nothing was sent again.
        assert len(server.seen) == 1
        await gw.admin.secrets.put("upstream_linear-token", accepted)
        assert (await gw.post("/linear/mcp", call())).json()["result"]["content"][0]["text"] == "ok"
        assert len(server.seen) == 3


async def test_a_secret_longer_than_a_header_may_be_is_sent_nowhere_and_the_refusal_says_which(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"linear": {"url": server.url, "auth": AUTH}}) as gw:
        for size, sent in ((MAX_HEADER_VALUE + 1, False), (MAX_HEADER_VALUE, True)):
            await gw.admin.set_secret("linear-token", "x" * size)
            told = (await gw.post("/linear/mcp", call())).text
            assert bool(server.seen) == sent
            assert (
                "is sent the secret 'linear-token' in the header Authorization. It has 4,097 characters, and a header "
                "4,096 at most. An administrator sets another value with: gatehouse secrets set linear-token" in told
            ) == (not sent)


async def test_a_secret_in_use_cannot_be_deleted_and_the_gateways_own_cannot_be_named(tmp_path):
    async def echo(asked: Asked) -> None:
        await asked.respond.json(text(asked, "ok"))

    config = {"url": "https://mcp.example.com/mcp", "auth": AUTH}
    async with upstream(echo) as server, gateway(tmp_path, {"linear": config, "demo": server.url}) as gw:
        await gw.admin.set_secret("linear-token", "x")
        assert await gw.admin.list_secrets() == [("linear-token", ["linear"])]
        own = {"type": "headers", "headers": {"X-Stolen": {"secret": "admin-key"}}}
        await gw.apply({"servers": [{"slug": "demo", "url": server.url, "workspaces": ["research"], "auth": own}]})
        stolen = await gw.post("/demo/mcp", call())
        assert "needs the secret 'admin-key', which is not set" in stolen.text
        assert server.seen == []
