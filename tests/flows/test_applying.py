"""The configuration file through the admin API: idempotent, careful, and clear about every mistake."""

import pytest

from gateway_core.admin import applying, planning
from gateway_core.admin.drafts import ApplyDraft, ConfigDraft
from gateway_core.errors import Conflict, Invalid
from tests.flows.gateways import Gateway, call, gateway
from tests.flows.upstreams import Json, upstream, weather

URL = "https://mcp.example.com/mcp"


async def changes(gw: Gateway, config: Json, *, prune: bool = False) -> list[str]:
    made = await gw.admin.apply(ApplyDraft(config=ConfigDraft.model_validate(config), prune=prune))
    return [f"{change.action} {change.kind} {change.slug} {','.join(change.fields)}".strip() for change in made]


async def test_applying_changes_what_differs_says_so_and_changes_nothing_the_second_time(tmp_path):
    config = {
        "organisation": "Acme",
        "workspaces": [{"slug": "support", "name": "Support"}],
        "servers": [{"slug": "linear", "name": "Linear", "url": URL, "workspaces": ["support", "research"]}],
    }
    async with gateway(tmp_path, {}) as gw:
        assert await changes(gw, config) == [
            "update organisation Acme name",
            "create workspace support",
            "create server linear",
        ]
        assert await changes(gw, config) == []
        config["servers"][0].update(url="https://other.example.com/mcp", timeout_s=5)  # type: ignore[attr-defined]
        assert await changes(gw, config) == ["update server linear url,timeout_s"]
        # What a file does not name stays.
        assert await changes(gw, {"workspaces": [{"slug": "new"}]}) == ["create workspace new"]
        state = await gw.admin.state()
        assert state.organisation == "Acme"
        assert state.servers["linear"].record.name == "Linear"


async def test_pruning_deletes_what_the_file_does_not_name_with_all_its_keys(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        assert (await gw.post("/weather/mcp", call())).status_code == 200
        config = {"workspaces": [{"slug": "sales"}], "servers": []}
        assert await changes(gw, config, prune=True) == ["delete server weather", "delete workspace research"]
        assert (await gw.post("/weather/mcp", call())).status_code == 401
        # A workspace of the same name is another one: no old key works in it.
        await gw.apply({"workspaces": [{"slug": "research"}]})
        assert (await gw.post("/weather/mcp", call())).status_code == 401
        # And the freed name can be taken by the other kind.
        assert await changes(gw, {"workspaces": [{"slug": "weather"}]}) == ["create workspace weather"]


BAD: dict[str, tuple[Json, str]] = {
    "unknown field": (
        {"servers": [{"slug": "linear", "url": URL, "colour": "red"}]},
        "config.servers.0.colour: unknown field 'colour' (there is: slug, name, url, ",
    ),
    "a field that is nearly one": ({"worksaces": []}, "unknown field 'worksaces' (there is: organisation, "),
    "bad slug": ({"workspaces": [{"slug": "A_b"}]}, "'A_b' is not a slug"),
    "reserved slug": ({"servers": [{"slug": "api", "url": URL}]}, "'api' is reserved"),
    "slug of the other kind": ({"servers": [{"slug": "research", "url": URL}]}, "already the slug of a workspace"),
    "slug twice": (
        {"workspaces": [{"slug": "x"}], "servers": [{"slug": "x", "url": URL}]},
        "'x' is already the slug of a workspace in this file",
    ),
    "unknown workspace": (
        {"servers": [{"slug": "linear", "url": URL, "workspaces": ["nowhere"]}]},
        "there is no workspace 'nowhere' (there is: research, sales)",
    ),
    "http": ({"servers": [{"slug": "linear", "url": "http://mcp.example.com/mcp"}]}, "https"),
    "private address": ({"servers": [{"slug": "linear", "url": "https://10.1.2.3/mcp"}]}, "This address is not public"),
    "metadata address": (
        {"servers": [{"slug": "linear", "url": "https://169.254.169.254/mcp"}]},
        "servers.0.url: This",
    ),
    "ourselves": ({"servers": [{"slug": "linear", "url": "http://127.0.0.1:8787/research/linear/mcp"}]}, "gateway"),
    "userinfo": ({"servers": [{"slug": "linear", "url": "https://u:p@mcp.example.com/mcp"}]}, "servers.0.url: "),
    "a secret in the file": (
        {
            "servers": [
                {"slug": "linear", "url": URL, "auth": {"type": "headers", "headers": {"Authorization": "Bearer x"}}}
            ]
        },
        "the value of Authorization is a secret: write {secret: NAME}",
    ),
    "protected header": (
        {"servers": [{"slug": "linear", "url": URL, "auth": {"type": "headers", "headers": {"Host": "x"}}}]},
        "The gateway writes the header 'host' itself.",
    ),
    "a header of the protocol": (
        {"servers": [{"slug": "linear", "url": URL, "auth": {"type": "headers", "headers": {"Mcp-Name": "x"}}}]},
        "Mcp-Name cannot be set: the gateway itself speaks with the server in it",
    ),
    "no header name": (
        {"servers": [{"slug": "linear", "url": URL, "auth": {"type": "headers", "headers": {"X A": "x"}}}]},
        "config.servers.0.auth",
    ),
    "header injection": (
        {"servers": [{"slug": "linear", "url": URL, "auth": {"type": "headers", "headers": {"X-A": "a\r\nX-B: b"}}}]},
        "a header value is visible ASCII",
    ),
    "unknown auth": (
        {"servers": [{"slug": "linear", "url": URL, "auth": {"type": "magic"}}]},
        "servers.0.auth: there is no type 'magic' (there is: 'none', 'headers', 'oauth', 'client_credentials', "
        "'token_exchange')",
    ),
    "auth that is no mapping": (
        {"servers": [{"slug": "linear", "url": URL, "auth": "none"}]},
        "servers.0.auth: write a mapping here, like {type: none}",
    ),
    "workspaces that are no list": (
        {"servers": [{"slug": "linear", "url": URL, "workspaces": "research"}]},
        "servers.0.workspaces: write a list of workspaces, like [research], or all",
    ),
    "time-out of nothing": ({"servers": [{"slug": "linear", "url": URL, "timeout_s": 0}]}, "greater than 0"),
}


async def test_a_mistake_anywhere_is_told_with_its_field_and_nothing_is_changed(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        before = await gw.admin.state()
        key = await gw.admin.secrets.get("admin-key")
        for name, (config, words) in BAD.items():
            body = {"config": {"organisation": "Changed", **config}}
            answer = await gw.post("/api/v1/apply", body, key)
            assert answer.status_code == 422, name
            assert answer.headers["content-type"] == "application/problem+json"
            problems = answer.json()["problems"]
            told = [f"{'.'.join(map(str, each['path']))}: {each['message']}" for each in problems]
            assert any(words in each for each in told), (name, told)
            assert await gw.admin.state() == before, name


async def test_a_full_disk_is_told_nothing_is_half_written_and_calls_go_on(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}, max_bytes=200_000) as gw:
        key = await gw.admin.secrets.get("admin-key")
        workspaces = [{"slug": f"team-{n}", "name": "x" * 100} for n in range(1000)]
        full = await gw.post("/api/v1/apply", {"config": {"workspaces": workspaces}}, key)
        assert full.status_code == 507
        assert "The disk or the database is full; nothing was written. Make room" in full.json()["detail"]
        assert (await gw.post("/weather/mcp", call())).status_code == 200
        # Each object is there whole or not at all, and the same command goes on when there is room.
        state = await gw.admin.state()
        made = [slug for slug in state.workspaces if slug.startswith("team-")]
        assert 0 < len(made) < 1000
        assert all(state.workspaces[slug].record.name == "x" * 100 for slug in made)


async def test_two_administrators_at_once_do_not_undo_each_others_work(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        state = await gw.admin.state()
        await gw.apply({"workspaces": [{"slug": "first"}]})
        late = planning.plan(
            ConfigDraft.model_validate({"workspaces": [{"slug": "second"}]}), state, prune=False, check_url=str
        )
        with pytest.raises(Conflict, match="Run the same command again"):
            await applying.carry_out(gw.table, late, state)
        assert "second" not in (await gw.admin.state()).workspaces
        with pytest.raises(Invalid, match="no workspace 'nowhere'"):
            await gw.new_key("nowhere")


async def test_the_admin_api_takes_the_administrators_key_and_no_other(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        for path in ("/api/v1/keys", "/api/v1/servers", "/api/v1/workspaces", "/api/v1/secrets"):
            needed = "This needs the administrator's key"
            for key, words in (("", needed), (gw.key, "This is a key for MCP"), ("ghm_wrong", needed)):
                headers = {"authorization": f"Bearer {key}"} if key else {}
                answer = await gw.http.get(gw.url + path, headers=headers)
                assert answer.status_code == 401
                assert words in answer.json()["detail"]
        admin_key = await gw.admin.secrets.get("admin-key")
        assert (await gw.http.get(gw.url + "/api/v1/servers", headers=gw.headers(admin_key))).status_code == 200
        # The same door as for MCP stands before it.
        rebound = await gw.http.get(gw.url + "/api/v1/keys", headers={**gw.headers(admin_key), "host": "evil.example"})
        assert (rebound.status_code, rebound.json()["title"]) == (421, "host_refused")
        huge = await gw.post("/api/v1/apply", b"x" * (8 * 1024 * 1024 + 1), "")
        assert huge.status_code == 413
        assert "larger than 8,388,608 bytes" in huge.json()["detail"]
        # And it is no MCP credential.
        assert (await gw.post("/weather/mcp", call(), admin_key)).status_code == 401
        unknown = await gw.http.get(gw.url + "/api/v1/nothing", headers=gw.headers(admin_key))
        assert (unknown.status_code, unknown.headers["content-type"]) == (404, "application/problem+json")
