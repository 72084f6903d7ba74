"""How clients of each kind hear that their person has to connect an account, and that their call goes through by itself
once that is done."""

import re

import pytest

from tests.flows.actors import PUBLIC
from tests.flows.gateways import INITIALIZE, MODERN_META, call, events
from tests.flows.linear import URL, Linear, linear
from tests.flows.token_servers import connections_of
from tests.flows.upstreams import Asked, Json, result, text, weather
from tests.flows.visitors import CAPABILITIES, ModernVisitor, retry

CALL: Json = {"name": "forecast", "arguments": {"city": "Ulm"}}
URLS: Json = {"elicitation": {"form": {}, "url": {}}}
WHY = "Linear acts as you, and you have not connected your account there."
DONE: Json = {"action": "accept"}


def visitor(at: Linear, key: str | None = None) -> ModernVisitor:
    return ModernVisitor(at.gw, capabilities=URLS, key=key or at.key, path=URL)


def link_in(said: str) -> str:
    found = re.fullmatch(re.escape(WHY) + r" authorization_url: (\S+) — open it, then call again\.", said)
    assert found is not None, said
    return found[1]


async def test_a_legacy_client_hears_the_error_of_its_revision_with_the_link_in_words_and_in_data(tmp_path):
    async with linear(tmp_path, probed=True) as at:
        response = await at.call(user_agent="acme-agent/3.1")
        assert response.status_code == 200
        answer = response.json()
        assert answer["id"] == 1
        error = answer["error"]
        assert error["code"] == -32042
        link, data = link_in(error["message"]), error["data"]
        (asked,) = data["elicitations"]
        assert len(asked.pop("elicitationId")) == 32
        assert asked == {"mode": "url", "url": link, "message": WHY}
        assert data["authorization_url"] == data["authorizationUrl"] == link
        record = at.gw.records.lines[-1]
        assert (data["requestId"], data["reason"]) == (record["request_id"], record["reason"])
        assert (record["outcome"], record["reason"], record["status"]) == ("refused", "consent_required", 200)
        assert at.upstream.seen == []


async def test_each_call_of_a_batch_hears_it(tmp_path):
    async with linear(tmp_path) as at:
        response = await at.gw.post(URL, [call(id=1), call(id=2)], at.key, mcp_protocol_version="2025-03-26")
        told = events(response)
        assert [(each["id"], each["error"]["code"]) for each in told] == [(1, -32042), (2, -32042)]
        assert [line["reason"] for line in at.gw.records.lines[-3:-1]] == ["consent_required"] * 2


async def test_a_notification_is_refused_over_http_for_nobody_waits_for_an_answer(tmp_path):
    async with linear(tmp_path) as at:
        response = await at.gw.post(URL, {"jsonrpc": "2.0", "method": "notifications/initialized"}, at.key)
        assert response.status_code == 400
        assert link_in(response.json()["error"]["message"])


async def test_a_modern_client_is_asked_to_open_the_page_and_its_call_goes_through_once_that_is_done(tmp_path):
    async with linear(tmp_path) as at:
        client = visitor(at)
        asked = (await client.ask("tools/call", CALL))["result"]
        assert asked["resultType"] == "input_required"
        (request,) = asked["inputRequests"].values()
        assert request["method"] == "elicitation/create"
        assert request["params"]["mode"] == "url"
        assert request["params"]["url"].startswith(f"{PUBLIC}/connect/")
        assert request["params"]["message"] == f"{WHY} Open this page, then continue."
        record = at.gw.records.lines[-1]
        assert (record["outcome"], record["reason"]) == ("refused", "consent_required")
        assert at.upstream.seen == []
        await at.connect()
        answered = await client.ask("tools/call", retry(CALL, asked, DONE), id=2)
        assert answered["result"]["content"][0]["text"] == "Sunny."
        (sent,) = at.upstream.calls("tools/call")
        assert sent.message["params"] == {**CALL, "_meta": {**MODERN_META, CAPABILITIES: URLS}}
        assert at.gw.records.lines[-1]["outcome"] == "ok"


async def in_sessions(asked: Asked) -> None:
    """As `weather`, for clients that open a session."""
    if asked.rpc == "initialize":
        await asked.respond.json(result(asked, {"protocolVersion": "2025-11-25", "capabilities": {}}))
    else:
        await weather(asked)


@pytest.mark.parametrize("speaks", ["legacy", "modern"])
async def test_it_goes_through_to_a_server_of_either_era(tmp_path, speaks):
    async with linear(tmp_path, answer=in_sessions, speaks=(speaks,)) as at:
        client = visitor(at)
        asked = (await client.ask("tools/call", CALL))["result"]
        await at.connect()
        answered = await client.ask("tools/call", retry(CALL, asked, DONE), id=2)
        assert answered["result"]["content"][0]["text"] == "Sunny."
        assert len(at.upstream.calls("tools/call")) == 1


@pytest.mark.parametrize("size", [10, 9_000])
async def test_what_a_server_was_told_already_reaches_it_over_a_permission_that_ended_in_between(tmp_path, size):
    answers: Json = {"q": {"action": "accept", "content": {"city": "U" * size}}}

    async def curious(asked: Asked) -> None:
        if "requestState" in asked.message["params"]:
            await asked.respond.json(text(asked, "Sunny."))
        else:
            question = {"method": "elicitation/create", "params": {"message": "Where?", "requestedSchema": {}}}
            wanted = {"resultType": "input_required", "inputRequests": {"q": question}, "requestState": "its own"}
            await asked.respond.json(result(asked, wanted))

    async with linear(tmp_path, answer=curious) as at:
        client = visitor(at)
        made = await at.connect()
        asked = (await client.ask("tools/call", CALL))["result"]
        assert asked["requestState"] == "its own"
        await connections_of(at.gw).remove(made)
        params = {**CALL, "inputResponses": answers, "requestState": "its own"}
        for _ in range(2):
            asked = (await client.ask("tools/call", params))["result"]
            assert "authorize" in asked["inputRequests"]
            params = retry(CALL, asked, DONE)
        await at.connect()
        last = (await client.ask("tools/call", params))["result"]
        sent = at.upstream.calls("tools/call")[-1].message["params"]
        if size < 100:
            assert last["content"][0]["text"] == "Sunny."
            assert (sent["inputResponses"], sent["requestState"]) == (answers, "its own")
        else:
            # Too much to be carried about: the server asks once more.
            assert last["requestState"] == "its own"
            assert "inputResponses" not in sent


async def test_who_says_done_too_early_is_asked_again_eight_times_and_then_told_in_words(tmp_path):
    async with linear(tmp_path) as at:
        client, params = visitor(at), CALL
        links = set()
        for _ in range(8):
            asked = (await client.ask("tools/call", params))["result"]
            assert asked["resultType"] == "input_required"
            links.add(asked["inputRequests"]["authorize"]["params"]["url"])
            params = retry(CALL, asked, DONE)
        last = (await client.ask("tools/call", params))["result"]
        assert last["isError"] is True
        assert last["resultType"] == "complete"
        assert link_in(last["content"][0]["text"]) not in links
        assert at.upstream.seen == []
        # Whoever connects after all begins anew, or goes on where they were.
        await at.connect()
        answered = await client.ask("tools/call", params)
        assert answered["result"]["content"][0]["text"] == "Sunny."


@pytest.mark.parametrize("action", ["decline", "cancel", None])
async def test_who_declines_gets_the_link_in_words_and_nothing_is_sent(tmp_path, action):
    async with linear(tmp_path) as at:
        client = visitor(at)
        asked = (await client.ask("tools/call", CALL))["result"]
        # Not even when somebody has connected the account meanwhile: this call was called off.
        await at.connect()
        params = retry(CALL, asked, {"action": action})
        if action is None:
            del params["inputResponses"]
        last = (await client.ask("tools/call", params, id=2))["result"]
        assert last["isError"] is True
        assert link_in(last["content"][0]["text"]) == asked["inputRequests"]["authorize"]["params"]["url"]
        assert at.gw.records.lines[-1]["reason"] == "consent_required"
        assert at.upstream.seen == []


async def test_a_prompt_that_is_declined_is_an_error_in_the_same_words(tmp_path):
    async with linear(tmp_path) as at:
        client, params = visitor(at), {"name": "brief"}
        asked = (await client.ask("prompts/get", params))["result"]
        last = await client.ask("prompts/get", retry(params, asked, {"action": "decline"}), id=2)
        assert last["error"]["code"] == -31003
        assert link_in(last["error"]["message"])


async def test_the_question_may_stand_for_an_hour_and_is_then_asked_from_the_start(tmp_path):
    async with linear(tmp_path) as at:
        client = visitor(at)
        asked = (await client.ask("tools/call", CALL))["result"]
        at.gw.clock[0] += 3_600
        again = (await client.ask("tools/call", retry(CALL, asked, DONE)))["result"]
        assert again["resultType"] == "input_required"
        at.gw.clock[0] += 1
        late = await client.ask("tools/call", retry(CALL, asked, DONE))
        assert late["error"]["code"] == -32602
        assert "too old" in late["error"]["message"]


async def test_the_question_is_for_whom_it_was_asked_alone(tmp_path):
    async with linear(tmp_path) as at:
        asked = (await visitor(at).ask("tools/call", CALL))["result"]
        _, other = await at.person("bo@acme.dev")
        stolen = retry(CALL, asked, DONE)
        theirs = (await visitor(at, other).ask("tools/call", stolen))["result"]
        assert (
            theirs["inputRequests"]["authorize"]["params"]["url"]
            != asked["inputRequests"]["authorize"]["params"]["url"]
        )


async def test_a_modern_client_that_opens_no_pages_is_told_what_it_lacks_with_the_link(tmp_path):
    async with linear(tmp_path) as at:
        response = await at.gw.modern(URL, "tools/call", CALL, authorization=f"Bearer {at.key}")
        assert response.status_code == 400
        error = response.json()["error"]
        assert error["code"] == -32021
        assert error["data"]["requiredCapabilities"] == {"elicitation": {"url": {}}}
        assert error["data"]["authorization_url"] == link_in(error["message"])
        assert at.gw.records.lines[-1]["reason"] == "consent_required"


@pytest.mark.parametrize("method", ["server/discover", "tools/list", "completion/complete"])
async def test_where_a_modern_client_cannot_be_asked_it_is_told_with_the_link(tmp_path, method):
    async with linear(tmp_path, probed=True) as at:
        error = (await visitor(at).ask(method, {}))["error"]
        assert error["code"] == -31003
        assert error["data"]["authorization_url"] == link_in(error["message"])
        assert at.upstream.seen == []


async def test_at_connect_a_legacy_client_is_told_with_the_link(tmp_path):
    async with linear(tmp_path, probed=True) as at:
        response = await at.gw.post(URL, INITIALIZE, at.key)
        assert response.status_code == 200
        error = response.json()["error"]
        assert error["code"] == -31003
        assert error["data"]["authorization_url"] == link_in(error["message"])
        assert "mcp-session-id" not in response.headers


async def test_a_legacy_client_may_leave_without_an_account(tmp_path):
    async def with_id(asked: Asked) -> None:
        value = {"protocolVersion": "2025-11-25", "capabilities": {}}
        await asked.respond.json(result(asked, value), headers={"mcp-session-id": "s-1"})

    async with linear(tmp_path, answer=with_id, speaks=("legacy",)) as at:
        made = await at.connect()
        opened = await at.gw.post(URL, INITIALIZE, at.key)
        session = {"mcp-session-id": opened.headers["mcp-session-id"], "authorization": f"Bearer {at.key}"}
        await connections_of(at.gw).remove(made)
        ended = await at.gw.http.delete(at.gw.url + URL, headers=session)
        assert ended.status_code == 200
        again = await at.gw.http.delete(at.gw.url + URL, headers=session)
        assert again.status_code == 404


COPILOT: Json = {"name": "copilot-cli", "version": "1.0.102"}


@pytest.mark.parametrize("says", ["in its request", "in its User-Agent"])
async def test_a_program_that_hands_the_question_to_its_model_gets_an_error_that_it_understands(tmp_path, says):
    async with linear(tmp_path) as at:
        client, inside = visitor(at), says == "in its request"
        # A request need not say whose it is.
        meta = {"io.modelcontextprotocol/clientInfo": COPILOT if inside else None}
        fields = {} if inside else {"user_agent": "copilot-cli/1.0.102 (linux)"}
        answer = await client.ask("tools/call", {**CALL, "_meta": meta}, **fields)
        assert answer["error"]["code"] == -32042
        assert link_in(answer["error"]["message"])
        await at.connect()
        answer = await client.ask("tools/call", {**CALL, "_meta": meta}, **fields)
        assert answer["result"]["content"][0]["text"] == "Sunny."


async def test_whoever_can_connect_nothing_hears_it_in_words_whatever_their_client_can(tmp_path):
    async with linear(tmp_path, answer=weather) as at:
        last = (await visitor(at, at.gw.key).ask("tools/call", CALL))["result"]
        assert last["isError"] is True
        assert "this key belongs to the service ci" in last["content"][0]["text"]
