"""Who the gateway is at an authorization server: a client that was entered, its metadata document, or one it registers.

That is the specification's order (2026-07-28 authorization/client-registration). What one authorization server gave is
never shown to another: clients are kept by its issuer, and one that was entered stays with the first it was used at.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from gateway_core.connect.asking import Asker
from gateway_core.connect.client_metadata import OwnClient
from gateway_core.connect.discovery import Found
from gateway_core.connect.kept_clients import KeptClient, KeptClients
from gateway_core.connect.quoting import quoted, shortened
from gateway_core.connect.registering import register
from gateway_core.connect.steps import DiscoveryFailed, Step, Trail
from gateway_core.errors import Conflict
from gateway_core.ports import ABSENT, Clock, Unchanged
from gateway_core.registry.servers import Server
from gateway_core.registry.upstream_auth import (
    ClientCredentials,
    OAuth,
    TokenAuthMethod,
    TokenExchange,
    UpstreamAuth,
)
from gateway_core.storage import keys
from gateway_core.upstream.auth.places import auth_method

Way = Literal["entered", "metadata_document", "dynamic"]


@dataclass(frozen=True, slots=True)
class Registration:
    """Who we are at one authorization server."""

    way: Way
    client_id: str
    auth_method: TokenAuthMethod
    secret: str | None = field(default=None, repr=False)
    """Of a client that registered itself. That of one that was entered is a secret with a name."""
    steps: tuple[Step, ...] = ()
    """How that was settled; they follow those of discovery."""


@dataclass(frozen=True, slots=True)
class Registrations:
    """Who we are, at every authorization server."""

    kept: KeptClients
    clock: Clock
    own: OwnClient

    async def at(self, server: Server, found: Found, ask: Asker, *, organisation: str) -> Registration:
        """Who we are at the authorization server that was found for `server`. Registers where there is nothing else.

        Args:
            server: What its `auth` says wins.
            found: What discovery found, just now.
            ask: Registering is one question.
            organisation: Whose gateway this is: people read it where they consent.

        Raises:
            DiscoveryFailed: There is no way; the message says what to enter.
        """
        trail = Trail(ask, found.steps)
        match way_of(server.auth, found, self.own):
            case "entered":
                registration = await self._entered(server, found, trail)
            case "metadata_document":
                registration = Registration("metadata_document", self.own.document_url or "", "none")
                trail.note("client", "ok", f"Known by its metadata document, {registration.client_id}.")
            case "dynamic":
                kept = await self._registered(server, found, trail, organisation)
                client = kept.client
                registration = Registration("dynamic", client.client_id, client.auth_method, client.secret)
            case None:
                raise self._no_way(trail, found)
        return replace(registration, steps=trail.steps[len(found.steps) :])

    async def foresee(self, server: Server, found: Found, trail: Trail) -> None:
        """Add to `trail` who we would be there. Nobody is asked, nothing is registered and nothing bound.

        Raises:
            DiscoveryFailed: There is no way; the message says what to enter.
            StoreUnavailable: Nobody can tell what is kept.
        """
        match way_of(server.auth, found, self.own):
            case "entered":
                known = entered_client(server.auth, found)
                if isinstance(known, str):
                    raise self._unusable(server, found, trail, known)
                item = await self.kept.table.get(keys.entered_client(server.id))
                if item is not None and _binds(server, item.data) and item.data["issuer"] != found.issuer:
                    raise self._bound(server, found, trail, known.client_id, item.data["issuer"])
                trail.note("client", "ok", f"Entered by hand: {known.client_id}, by {known.auth_method}.")
            case "metadata_document":
                trail.note("client", "ok", f"Known by its metadata document, {self.own.document_url}.")
            case "dynamic":
                trail.note("client", "ok", await self._foreseen(server, found))
            case None:
                raise self._no_way(trail, found)

    async def _foreseen(self, server: Server, found: Found) -> str:
        kept = (await self.kept.read(server.id, found.issuer)).kept
        if kept is not None and kept.callback == self.own.callback and kept.fresh(self.clock()):
            return f"Registered as {kept.client.client_id}, by {kept.client.auth_method}."
        again = "anew " if kept is not None else ""
        return (
            f"Registers itself {again}there when somebody connects an account next, at "
            f"{quoted(found.registration_endpoint or '')}. Nothing was registered now."
        )

    async def forget(self, server: Server, issuer: str, client_id: str) -> None:
        """That an authorization server no longer knows a client that registered itself: the next log-in registers anew.

        A client that was entered, and our metadata document, are not forgotten.
        """
        await self.kept.forget(server.id, issuer, client_id)

    async def _entered(self, server: Server, found: Found, trail: Trail) -> Registration:
        known = entered_client(server.auth, found)
        if isinstance(known, str):
            raise self._unusable(server, found, trail, known)
        if isinstance(server.auth, OAuth) and server.auth.issuer is None:
            await self._bind(server, known, found, trail)
        trail.note("client", "ok", f"Entered by hand: {known.client_id}, by {known.auth_method}.")
        return known

    async def _bind(self, server: Server, known: Registration, found: Found, trail: Trail) -> None:
        """Hold an entered client to the authorization server that it was first used at (2026-07-28
        authorization/client-registration, Authorization Server Binding).

        Nobody said which one it belongs to, and whoever takes over a server's metadata must not be sent its secret.
        """
        table, key = self.kept.table, keys.entered_client(server.id)
        wanted = {"client_id": known.client_id, "issuer": found.issuer}
        item = await table.get(key)
        if item is None or item.data["client_id"] != known.client_id:
            try:
                item = await table.put(key, wanted, when=ABSENT if item is None else Unchanged(item.version))
            except Conflict:
                item = await table.get(key)
        if item is not None and dict(item.data) == wanted:
            return
        bound = "another authorization server" if item is None else item.data["issuer"]
        raise self._bound(server, found, trail, known.client_id, bound)

    def _unusable(self, server: Server, found: Found, trail: Trail, why: str) -> DiscoveryFailed:
        return trail.failed("client", f"The client of {server.name} cannot be used at {found.issuer}: {why}.")

    def _bound(self, server: Server, found: Found, trail: Trail, client_id: str, bound: str) -> DiscoveryFailed:
        return trail.failed(
            "client",
            f"The client {client_id} was used at {bound} so far, and {server.name} now names {found.issuer}, "
            f"which was told nothing. If {server.name} has moved, enter `issuer: {found.issuer}` and a client of it.",
        )

    async def _registered(self, server: Server, found: Found, trail: Trail, organisation: str) -> KeptClient:
        slot, now = await self.kept.read(server.id, found.issuer), self.clock()
        kept = slot.kept if slot.kept is not None and slot.kept.callback == self.own.callback else None
        if kept is None or not kept.fresh(now):
            made = await register(trail, found, self.own, organisation=organisation, now=now)
            if not isinstance(made, str):
                new = KeptClient(made, self.own.callback, now)
                # Of two processes that register at the same moment, both go on as the client of the first.
                kept = await self.kept.keep(server.id, found.issuer, new, when=slot.when)
            elif kept is None:
                raise self._failed(trail, found, f"{found.issuer} does not register the gateway: {made}")
        # One that could not be renewed is good for a while yet.
        trail.note("client", "ok", f"Registered as {kept.client.client_id}, by {kept.client.auth_method}.")
        return kept

    def _no_way(self, trail: Trail, found: Found) -> DiscoveryFailed:
        return self._failed(trail, found, f"{found.issuer} takes no client that was not registered by hand")

    def _failed(self, trail: Trail, found: Found, why: str) -> DiscoveryFailed:
        return trail.failed(
            "client",
            f"{why}. Register a client there by hand, with the redirect URI {self.own.callback}, and enter its "
            "`client_id`, and `client_secret` if it has one, in the server's auth.",
        )


def _binds(server: Server, kept: Mapping[str, Any]) -> bool:
    """True where an entered client belongs to the issuer that it was first used at, for want of another word."""
    auth = server.auth
    return isinstance(auth, OAuth) and auth.issuer is None and kept["client_id"] == auth.client_id


def way_of(auth: UpstreamAuth, found: Found, own: OwnClient) -> Way | None:
    """How the gateway will be known; None where an administrator has to enter a client."""
    if isinstance(auth, OAuth | ClientCredentials | TokenExchange) and auth.client_id is not None:
        return "entered"
    if isinstance(auth, ClientCredentials | TokenExchange):
        # Only a client that somebody vouched for can have rights of its own.
        return None
    if found.documents_supported and own.document_url is not None:
        return "metadata_document"
    return "dynamic" if found.registration_endpoint is not None else None


def entered_client(auth: UpstreamAuth, found: Found) -> Registration | str:
    """The client that an administrator entered, and how it proves itself; or in words why it cannot."""
    if not isinstance(auth, OAuth | ClientCredentials | TokenExchange) or auth.client_id is None:
        return "none was entered"
    method = auth_method(auth, found.auth_methods)
    if method is None:
        offered = shortened(", ".join(found.auth_methods))
        return (
            f"it has a secret, and that authorization server wants clients to prove themselves by {offered}. If it "
            "takes a secret all the same, say how with `token_endpoint_auth_method`"
        )
    return Registration("entered", auth.client_id, method)
