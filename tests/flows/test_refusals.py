"""Everything that is refused before an upstream hears of it, in the words that the client shows."""

import json

from tests.flows.gateways import INITIALIZE, MODERN_META, NOW, call, events, gateway
from tests.flows.upstreams import upstream, weather

DEEP = b'{"jsonrpc":"2.0","id":1,"method":"ping","params":' + b'{"a":' * 70 + b"1" + b"}" * 71
UNREADABLE = {
    "broken": (
        b'{"jsonrpc": "2.0", "id": 1,',
        400,
        -32700,
        "The body is not JSON that can be read: Expecting property",
    ),
    "empty": (b"", 400, -32700, "The body is not JSON that can be read: Expecting value at line 1 column 1"),
    "two documents": (b"{}{}", 400, -32700, "Extra data"),
    "a name twice": (b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"x"}', 400, -32700, "'method' appears twice"),
    "a name twice, deep": (b'{"a":[{"b":{"c":1,"c":2}}]}', 400, -32700, "the name 'c' appears twice in one object"),
    "NaN": (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":NaN}}', 400, -32700, "NaN is not JSON"),
    "1e999": (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":1e999}}', 400, -32700, "a number that is too"),
    "many digits": (
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":' + b"9" * 5000 + b"}}",
        400,
        -32700,
        "digits",
    ),
    "not UTF-8": (b'{"jsonrpc":"2.0","id":1,"method":"\xff"}', 400, -32700, "it is not UTF-8 (byte 34)"),
    "UTF-16": ('{"jsonrpc":"2.0"}'.encode("utf-16"), 400, -32700, "it is not UTF-8"),
    "a byte order mark": (b"\xef\xbb\xbf{}", 400, -32700, "The body is not JSON that can be read"),
    "half a surrogate": (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\\ud800"}}', 400, -32700, "surrog"),
    "deep": (DEEP, 400, -32600, "nested deeper than 64 levels"),
    "very deep": (b"[" * 100_000, 400, -32600, "nested deeper than 64 levels"),
    "huge": (b'"' + b"x" * 1_048_576 + b'"', 413, -32600, "larger than 1,048,576 bytes"),
    "no object": (b"3", 400, -32600, "The body must be one JSON-RPC message"),
    "an empty batch": (b"[]", 400, -32600, "A batch holds 1 to 20 messages, not 0."),
    "no version": (b'{"id":1,"method":"ping"}', 400, -32600, 'an object with "jsonrpc": "2.0"'),
    "null as id": (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', 400, -32600, "An id is a whole number or up to 128"),
    "true as id": (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', 400, -32600, "An id is a whole number or up to 128"),
    "a long id": (json.dumps({"jsonrpc": "2.0", "id": "x" * 129, "method": "ping"}).encode(), 400, -32600, "An id is"),
    "no method": (b'{"jsonrpc":"2.0","id":1}', 400, -32600, "The body must be a request or a notification."),
    "list as params": (
        b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}',
        400,
        -32602,
        "params must be an object",
    ),
    "unknown method": (b'{"jsonrpc":"2.0","id":1,"method":"tools/steal"}', 200, -32601, "not found: tools/steal"),
}


async def test_a_body_that_cannot_be_read_in_one_way_only_is_refused_and_never_reaches_the_upstream(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        for name, (body, status, code, words) in UNREADABLE.items():
            response = await gw.post("/weather/mcp", body)
            assert response.status_code == status, name
            assert response.json()["error"]["code"] == code, name
            assert words in response.json()["error"]["message"], name
        assert server.seen == []


HEADERS = {
    "no version header": ({"mcp_protocol_version": ""}, "the mcp-protocol-version header is missing"),
    "another method": ({"mcp_method": "tools/list"}, "the mcp-method header does not say what the body says"),
    "no method header": ({"mcp_method": ""}, "the mcp-method header is missing"),
    "another name": ({"mcp_name": "delete_all"}, "the mcp-name header does not say what the body says"),
    "no name header": ({"mcp_name": ""}, "the mcp-name header is missing"),
    "a name that is no Base64": ({"mcp_name": "=?base64?%%?="}, "the mcp-name header does not say"),
    "another version": ({"mcp_protocol_version": "2027-01-01"}, "the mcp-protocol-version header does not say"),
}


async def test_headers_that_disagree_with_the_body_are_refused_with_their_own_code(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        for name, (changed, words) in HEADERS.items():
            response = await gw.modern("/weather/mcp", "tools/call", {"name": "forecast", "arguments": {}}, **changed)
            assert response.status_code == 400, name
            assert response.json()["error"]["code"] == -32020, name
            assert words in response.json()["error"]["message"], name
            assert response.json()["id"] == 7, name
        assert server.seen == []


async def test_a_routing_header_that_comes_twice_is_refused(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        headers = [*gw.headers().items(), ("mcp-method", "tools/list"), ("mcp-method", "tools/call")]
        response = await gw.http.post(gw.url + "/weather/mcp", content=json.dumps(call()), headers=headers)
        assert response.json()["error"]["code"] == -32020
        assert server.seen == []


async def test_a_version_that_nobody_knows_is_told_which_ones_there_are(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        meta = {**MODERN_META, "io.modelcontextprotocol/protocolVersion": "1900-01-01"}
        body = {"jsonrpc": "2.0", "id": 3, "method": "tools/list", "params": {"_meta": meta}}
        response = await gw.post("/weather/mcp", body, mcp_protocol_version="1900-01-01", mcp_method="tools/list")
        assert response.status_code == 400
        assert response.json()["error"]["code"] == -32022
        assert response.json()["error"]["data"] == {"supported": ["2026-07-28"], "requested": "1900-01-01"}


async def test_a_modern_request_without_its_meta_is_refused_and_an_unknown_method_is_a_404(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        body = {"jsonrpc": "2.0", "id": 3, "method": "tools/list"}
        bare = await gw.post("/weather/mcp", body, mcp_protocol_version="2026-07-28", mcp_method="tools/list")
        assert (bare.status_code, bare.json()["error"]["code"]) == (400, -32602)
        unknown = await gw.modern("/weather/mcp", "tools/steal")
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, -32601)
        assert server.seen == []


CREDENTIALS = {
    "none": ({"authorization": ""}, "This gateway needs a credential. Sign in: your client opens the page for it"),
    "empty": ({"authorization": "Bearer"}, "The Authorization header must read: Bearer ghk_"),
    "Basic": ({"authorization": "Basic eDp5"}, "The Authorization header must read: Bearer ghk_"),
    "no key of ours": ({"authorization": "Bearer sk-123"}, "This is not a Gatehouse API key (they begin with ghk_)"),
    "no key of ours elsewhere": ({"authorization": "", "x_api_key": "sk-123"}, "This is not a Gatehouse API key"),
    "half a key": ({"authorization": "Bearer ghk_ws-22222222"}, "This API key looks cut off or mistyped"),
    "half a token": ({"authorization": "Bearer gha_x"}, "This is no whole access token of this gateway."),
    "a refresh token": (
        {"authorization": "Bearer ghr_ws-22222222_g-2222222222222222_" + "A" * 43},
        "This is a refresh token: a client exchanges it for an access token, and sends that.",
    ),
    "a token that nobody knows": (
        {"authorization": "Bearer gha_ws-22222222_g-2222222222222222_" + "A" * 43},
        "This access token has expired or was revoked. Sign in again",
    ),
    "a token of another issuer": ({"authorization": "Bearer eyJ.eyJ.x"}, "nor another token that is good here."),
    "the same elsewhere": ({"authorization": "", "x_auth_token": "eyJ.eyJ.x"}, "This gateway needs a credential."),
    "unknown": (
        {"authorization": "Bearer ghk_ws-22222222_k-22222222_" + "A" * 43},
        "This API key is not known here. Ask whoever gave it to you for a new one.",
    ),
    "endless": ({"authorization": "Bearer ghk_" + "x" * 600}, "too long to be one of this gateway's"),
    "more than endless": ({"authorization": "Bearer " + "x" * 8_193}, "too long to be one of this gateway's"),
}


async def test_without_a_good_credential_every_path_and_method_gets_the_same_401(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        for name, (headers, words) in CREDENTIALS.items():
            known = await gw.post("/weather/mcp", call(), **headers)
            unknown = await gw.post("/nobody/nothing/mcp", call(), **headers)
            assert known.status_code == unknown.status_code == 401, name
            assert known.json() == unknown.json(), name
            assert words in known.json()["error"]["message"], name
            assert known.headers["www-authenticate"].startswith("Bearer "), name
            for method in ("GET", "HEAD", "DELETE", "PUT"):
                other = await gw.http.request(method, gw.url + "/weather/mcp", headers=gw.headers(**headers))
                assert other.status_code == 401, (name, method)
        assert server.seen == []


async def test_a_revoked_key_is_refused_at_the_next_request_and_told_by_whom(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        key, key_id = await gw.new_key()
        assert (await gw.post("/weather/mcp", call(), key)).status_code == 200
        await gw.admin.revoke_key(key_id, by="ana@acme.dev")
        refused = await gw.post("/weather/mcp", call(), key)
        assert refused.status_code == 401
        assert "This API key was revoked on 18 Nov 2026 by ana@acme.dev." in refused.json()["error"]["message"]
        # Who guesses the ids but not the secret learns nothing of it.
        guessed = await gw.post("/weather/mcp", call(), key[:-1] + ("a" if key[-1] != "a" else "b"))
        assert guessed.json()["error"]["message"].startswith("This API key is not known here.")


async def test_an_expired_key_is_refused_from_its_second_on(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        key, _ = await gw.new_key(expires_in_s=60)
        gw.clock[0] = NOW + 59
        assert (await gw.post("/weather/mcp", call(), key)).status_code == 200
        gw.clock[0] = NOW + 60
        refused = await gw.post("/weather/mcp", call(), key)
        assert refused.status_code == 401
        assert "This API key expired on 18 Nov 2026. Ask ana@acme.dev for a new one." in refused.text


async def test_two_different_credentials_at_once_are_a_400(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        other, _ = await gw.new_key()
        both = await gw.post("/weather/mcp", call(), x_api_key=other)
        assert both.status_code == 400
        assert "more than one credential. Send one: Authorization: Bearer ghk_" in both.json()["error"]["message"]
        listed = await gw.post("/weather/mcp", call(), authorization=f"Bearer {gw.key}, Bearer {other}")
        assert listed.status_code == 400
        assert server.seen == []
        assert (await gw.post("/weather/mcp", call(), x_api_key=gw.key)).status_code == 200


async def test_what_a_key_cannot_reach_looks_like_what_does_not_exist(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        foreign, _ = await gw.new_key("sales")
        for path, key in [
            ("/nothing/mcp", gw.key),
            ("/nowhere/weather/mcp", gw.key),
            ("/sales/weather/mcp", gw.key),
            ("/research/weather/mcp", foreign),
            ("/weather/mcp", foreign),
        ]:
            response = await gw.post(path, call(), key)
            assert response.status_code == 404
            *_, workspace, name, _ = path.split("/")
            where = f" in workspace {workspace!r}" if workspace else ""
            assert response.json() == {
                "jsonrpc": "2.0",
                "id": None,
                "error": {
                    "code": -32600,
                    "message": f"There is no server {name!r}{where} that this credential can reach. Check the URL.",
                    "data": {"reason": "unknown_server"},
                },
            }
        assert server.seen == []


async def test_a_key_limited_to_other_servers_is_told_who_can_change_that_in_a_200(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url, "linear": server.url}) as gw:
        key, _ = await gw.new_key(servers=["linear"])
        assert (await gw.post("/linear/mcp", call(), key)).status_code == 200
        words = "limited to other servers of Research. An administrator of Research can make"
        opening = await gw.post("/weather/mcp", INITIALIZE, key)
        assert (opening.status_code, opening.json()["id"]) == (200, 0)
        assert opening.json()["error"]["code"] == -31003
        assert words in opening.json()["error"]["message"]
        calling = await gw.post("/weather/mcp", call(id="c"), key)
        assert (calling.status_code, calling.json()["id"]) == (200, "c")
        assert calling.json()["result"]["isError"] is True
        assert words in calling.json()["result"]["content"][0]["text"]
        batch = events(await gw.post("/weather/mcp", [call(id=1), call(id=2)], key))
        assert [(message["id"], message["result"]["isError"]) for message in batch] == [(1, True), (2, True)]
        note = await gw.post("/weather/mcp", {"jsonrpc": "2.0", "method": "notifications/initialized"}, key)
        assert note.status_code == 400
        listening = await gw.http.get(gw.url + "/weather/mcp", headers=gw.headers(key))
        assert listening.status_code == 400
        assert len(server.seen) == 1
        assert {line["reason"] for line in gw.records.lines[1:] if line["method"] != "batch"} == {"key_servers"}


async def test_taking_a_server_from_a_workspace_bites_at_the_next_request(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        assert (await gw.post("/weather/mcp", call())).status_code == 200
        await gw.apply({"servers": [{"slug": "weather", "url": server.url, "workspaces": ["sales"]}]})
        assert (await gw.post("/weather/mcp", call())).status_code == 404
        assert len(server.seen) == 1
