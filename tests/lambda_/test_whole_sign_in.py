"""From the set-up link to a call with a token, on Lambda: two functions, each held to its role, and a real provider."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

from gateway_core.admin.administration import Administration
from gateway_core.admin.drafts import ApplyDraft, ConfigDraft
from gateway_core.storage.dynamo import DynamoTable
from tests.contracts.aws import json_api, new_id
from tests.flows.browsers import PUBLIC, Browser, register
from tests.flows.upstreams import serving
from tests.lambda_.control_plane import Function, function
from tests.lambda_.events import rest
from tests.lambda_.fake_runtime_api import FakeRuntimeApi, runtime
from tests.lambda_.role import Guarded, Role
from tests.lambda_.test_events import SECRETS, deployment
from tests.oidc import CLIENT_ID, CLIENT_SECRET, provider, signed_in_at

URL = f"{PUBLIC}/research/weather/mcp"
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}


@dataclass
class Deployed:
    sign_in: Function
    mcp: FakeRuntimeApi
    guards: list[Guarded]

    async def call(self, token: str | None) -> tuple[int, Any]:
        """What the MCP function says to a client that introduces itself."""
        credential = {} if token is None else {"Authorization": [f"Bearer {token}"]}
        headers = {"Content-Type": ["application/json"], "Accept": ["application/json, text/event-stream"]}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO})
        event = rest("POST", "/research/weather/mcp", body=body, multiValueHeaders=headers | credential)
        head, answer = await self.mcp.invoke(event).end()
        return head["statusCode"], json.loads(answer)


@asynccontextmanager
async def deployed() -> AsyncIterator[Deployed]:
    async with AsyncExitStack() as stack:
        environment = await stack.enter_async_context(deployment())
        idp = await stack.enter_async_context(provider(lambda: int(time.time())))
        url = environment["AWS_ENDPOINT_URL"]
        names: dict[Literal["registry", "grants"], str] = {
            "registry": environment["REGISTRY_TABLE"],
            "grants": environment["GRANTS_TABLE"],
        }
        api = json_api(url, lambda: 0)
        secret = {"SecretId": "gatehouse/oidc-client-secret", "SecretString": CLIENT_SECRET}
        await api.call("secretsmanager", "PutSecretValue", secret | {"ClientRequestToken": new_id()})
        admin = Administration(DynamoTable(api, names, lambda: 0, new_id=new_id), None, lambda: 0, check_url=str)  # type: ignore[arg-type]
        server = {"slug": "weather", "url": "http://127.0.0.1:9/mcp", "workspaces": ["research"]}
        config = {"workspaces": [{"slug": "research"}], "servers": [server]}
        await admin.apply(ApplyDraft(config=ConfigDraft.model_validate(config)))
        told = environment | {"PUBLIC_URL": PUBLIC, "OIDC_ISSUER": idp.url, "OIDC_CLIENT_ID": CLIENT_ID}
        guards, at = [], []
        for role in ("OAuthRole", "McpRole"):
            guards.append(Guarded(url, Role.of_template(role), {name: table for table, name in names.items()}))
            port = await stack.enter_async_context(serving(guards[-1]))
            at.append({"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"})
        sign_in = await stack.enter_async_context(function("tests.lambda_.whole_oauth", told | at[0]))
        mcp = await stack.enter_async_context(runtime("tests.lambda_.whole.app", **told | at[1]))
        yield Deployed(sign_in, mcp, guards)


async def test_the_set_up_link_makes_an_owner_whose_client_gets_a_token_that_the_other_function_takes():
    async with deployed() as made:
        browser = Browser(made.sign_in)
        link = f"/oauth/setup?token={SECRETS['setup-key']}"
        away = await browser.submit(await browser.open(link), "/oauth/setup")
        account = await browser.open(f"/oauth/callback?{await signed_in_at(away.url)}")
        assert "ana@acme.dev" in account.text
        assert "This gateway is set up already" in (await browser.open(link)).text
        assert (await Browser(made.sign_in).open(link)).status == 403

        client = await register(browser.http, "Probe")
        assert (await made.call(None))[0] == 401
        back = await browser.submit(await browser.open(client.url(URL)), "/authorize", "allow")
        told = (await client.redeem(browser.http, back.parameters["code"])).json()
        status, answer = await made.call(told["access_token"])
        assert status == 200, answer
        assert "weather" in str(answer).lower()

        ended = await browser.submit(await browser.open("/oauth/account"), "/oauth/account")
        assert "That app has no access any more" in ended.text
        assert (await made.call(told["access_token"]))[0] == 401
        await browser.close()
    assert [guard.refused for guard in made.guards] == [[], []]
