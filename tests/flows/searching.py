"""A server and its authorization server, each a site of its own, and the gateway that looks for where to log in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from gateway_core.connect.asking import EgressAsker
from gateway_core.connect.discovery import Found, discover
from gateway_core.connect.steps import DiscoveryFailed
from gateway_core.egress import Egress, Policy
from gateway_core.registry.servers import Server
from gateway_core.registry.upstream_auth import OAuth, UpstreamAuth
from tests.flows.sites import Site, site

PRM, OAUTH, OPENID = (f"/.well-known/{name}" for name in
                      ("oauth-protected-resource", "oauth-authorization-server", "openid-configuration"))  # fmt: skip


@dataclass
class Scene:
    """A server and its authorization server, each a site of its own."""

    server: Site
    auth: Site
    egress: Egress

    def publish(
        self,
        *,
        prm: str = f"{PRM}/mcp",
        named: bool = True,
        metadata: str = OAUTH,
        tenant: str = "",
        scope: str = "",
        resource: dict[str, Any] | None = None,
        said: dict[str, Any] | None = None,
    ) -> None:
        """Everything that a log-in takes, at the given places.

        Args:
            prm: Path of the server's metadata.
            named: Whether the challenge names it.
            metadata: Path of the authorization server's metadata.
            tenant: Path of its issuer.
            scope: Of the challenge.
            resource, said: Members of the two documents that are others.
        """
        own = self.server.url if prm == PRM else f"{self.server.url}/mcp"
        challenge = f'Bearer scope="{scope}"' if scope else "Bearer"
        if named:
            challenge += f'{"," if scope else ""} resource_metadata="{self.server.url}{prm}"'
        self.server.publish("POST /mcp", status=401, www_authenticate=challenge)
        issuer = self.auth.url + tenant
        self.server.publish(f"GET {prm}", {"resource": own, "authorization_servers": [issuer]} | (resource or {}))
        document = {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "registration_endpoint": f"{issuer}/register",
            "code_challenge_methods_supported": ["S256"],
        } | (said or {})
        self.auth.publish(
            f"GET {metadata}", {name: value for name, value in document.items() if value is not None}
        )  # fmt: skip

    def of(self, auth: UpstreamAuth | None = None, **parts: Any) -> Server:
        return Server("s1", "linear", "Linear", f"{self.server.url}/mcp", parts.pop("transport", "auto"),
                      auth or OAuth(), "all", **parts)  # fmt: skip

    async def found(self, server: Server | None = None, **bounds: float) -> Found:
        return await discover(server or self.of(), EgressAsker(self.egress, **bounds))

    async def failed(self, server: Server | None = None, **bounds: float) -> DiscoveryFailed:
        with pytest.raises(DiscoveryFailed) as problem:
            await self.found(server, **bounds)
        assert problem.value.steps[-1].outcome == "failed"
        assert problem.value.steps[-1].told == problem.value.message
        return problem.value


@asynccontextmanager
async def searching() -> AsyncIterator[Scene]:
    egress = Egress(Policy(loopback=True))
    async with site() as server, site() as auth:
        yield Scene(server, auth, egress)
        await egress.close()
