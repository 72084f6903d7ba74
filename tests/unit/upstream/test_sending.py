"""Which of a server's settings counts where two write one header, as it goes out."""

from typing import Any

from gateway_core.access.callers import Caller
from gateway_core.headers import read_headers
from gateway_core.protocol import outbound
from gateway_core.registry.forwarded import HeaderForwarding, IdentityForwarding
from gateway_core.registry.servers import Server
from gateway_core.registry.upstream_auth import HeaderValue, StaticHeaders
from gateway_core.registry.workspaces import Workspace
from gateway_core.upstream.auth import HeldSecrets, Ways
from gateway_core.upstream.behalf import Behalf
from gateway_core.upstream.client import Dialect, UpstreamClient
from gateway_core.upstream.identity import Identities

SOURCES = ("forwarded", "auth", "headers", "identity")
"""From the one that counts least to the one that counts most."""
SERVICE = Caller("service", "identity", "ws-abcdefgh", "k-98765432", None)


class Line:
    """See egress.Egress. Keeps what would have gone out."""

    def __init__(self) -> None:
        self.sent: dict[str, str] = {}

    async def send(self, _method: str, _url: str, fields: Any, _body: bytes, *, deadline: float) -> Any:
        assert len({name.lower() for name, _ in fields}) == len(fields)
        self.sent = {name.lower(): value for name, value in fields}
        return Answer()


class Answer:
    status = 200
    headers: Any = {}  # noqa: RUF012 - nothing is ever put in


async def unsigned(claims: Any, _audience: str) -> str:
    return str(claims["name"])


async def test_the_later_of_passed_on_auth_headers_and_identity_counts_and_the_protocol_before_all():
    """No configuration file can say this, whatever may have got into the registry."""
    names = {source: tuple(f"x-{last}" for last in SOURCES[at:]) for at, source in enumerate(SOURCES)}
    rules = HeaderForwarding("allowlist", tuple((name, name) for name in names["forwarded"] if name != "x-identity"))
    server = Server(
        "s", "linear", "Linear", "https://mcp.example.com/mcp", "auto",
        StaticHeaders(tuple(HeaderValue(name.title(), "auth") for name in (*names["auth"], "accept", "user-agent"))),
        "all",
        forward_headers=rules,
        headers=tuple(HeaderValue(name, "headers") for name in (*names["headers"], "mcp-method")),
        identity=IdentityForwarding("jwt_header", "x-identity", ("name",)),
    )  # fmt: skip
    came = read_headers([(name.encode(), b"forwarded") for name in names["forwarded"]])
    behalf = Behalf(
        caller=SERVICE, member=None, workspace=Workspace("ws-abcdefgh", "research", "Research"), organisation="Acme",
        headers=came, token_headers=frozenset(), client="", connection_item=None, bearer="", ends_at=0.0, afterwards=[],
    )  # fmt: skip
    line, secrets = Line(), HeldSecrets(None, lambda: 0)  # type: ignore[arg-type]
    client = UpstreamClient(line, Ways(secrets, None), Identities(unsigned))  # type: ignore[arg-type]
    call = outbound.discover("1")
    await client.post(server, call, Dialect("1", call.version, None, "00-1-1-01", behalf), deadline=0.0)
    assert {name: line.sent[f"x-{name}"] for name in SOURCES} == {name: name for name in SOURCES}
    assert line.sent["accept"] == "application/json, text/event-stream"
    assert (line.sent["user-agent"], line.sent["mcp-method"]) == ("gatehouse/0.1", "server/discover")
