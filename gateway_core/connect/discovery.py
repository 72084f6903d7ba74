"""Finding out how an account at a server is connected: who gives out its tokens, where, for what.

The order is the specification's (2026-07-28 authorization and authorization-server-discovery): ask the server without
credentials, read its metadata, read that of its authorization server. Every document is somebody else's word and read
as such: what does not fit together stops, and what an administrator entered wins.
"""

from dataclasses import dataclass
from typing import Final

from gateway_core.connect.asking import Asker
from gateway_core.connect.authorization_server import Search
from gateway_core.connect.documents import ProtectedResource, ServerMetadata, read_resource
from gateway_core.connect.entered import Entered, entered
from gateway_core.connect.knocking import Knocked, knock
from gateway_core.connect.locations import canonical, covers, resource_documents
from gateway_core.connect.quoting import quoted
from gateway_core.connect.steps import Heard, Step, Trail
from gateway_core.registry.servers import Server
from gateway_core.upstream.spoken import Spoken, pinned

OFFLINE: Final = "offline_access"
"""The scope that asks for a refresh token (2026-07-28 authorization, Refresh Tokens)."""


@dataclass(frozen=True, slots=True)
class Found:
    """Everything that a log-in takes, but for who we are there."""

    resource: str
    """The `resource` of every request for a token (RFC 8707)."""
    scopes: tuple[str, ...]
    """To ask for at first; none leaves the choice to the authorization server."""
    issuer: str
    """Byte for byte as it names itself: what is kept is kept for this, and `iss` is compared with it."""
    authorization_endpoint: str
    """Empty where no browser is needed (client credentials, token exchange)."""
    token_endpoint: str
    registration_endpoint: str | None
    revocation_endpoint: str | None
    auth_methods: tuple[str, ...]
    """How clients may prove themselves at the token endpoint."""
    iss_supported: bool
    """True where every answer at our callback must name the issuer (RFC 9207)."""
    documents_supported: bool
    """True where a client may be known by its metadata document."""
    steps: tuple[Step, ...]


async def discover(server: Server, ask: Asker, *, spoken: Spoken | None = None) -> Found:
    """How an account at `server` is connected.

    Args:
        server: As the registry holds it; what its `auth` says wins.
        ask: Made for this discovery: its time is running.
        spoken: What the server speaks, where that is known better than by its pins.

    Raises:
        DiscoveryFailed: Nobody can log in; the message says why and what to do.
    """
    return await _Discovery(server, entered(server.auth), Trail(ask)).run(spoken or pinned(server))


@dataclass(frozen=True, slots=True)
class _Discovery:
    server: Server
    entered: Entered
    trail: Trail

    async def run(self, spoken: Spoken | None) -> Found:
        refusal = self.entered.refusal()
        if refusal:
            raise self.trail.failed("endpoints", f"In the auth of {self.server.name}, {refusal}. Enter another URL.")
        knocked = await knock(self.server, self.trail, spoken)
        resource = await self._resource(knocked)
        search = Search(self.server, self.entered, self.trail)
        metadata = await search.find(resource, demanded=knocked.demanded)
        self._note_endpoints(metadata)
        scopes = self._scopes(knocked, resource, metadata)
        by_browser = self.entered.authorization_endpoint or metadata.authorization_endpoint or ""
        return Found(
            resource=canonical(self.server.url) if resource is None else resource.resource,
            scopes=scopes,
            issuer=metadata.issuer,
            authorization_endpoint=by_browser if self.entered.browser else "",
            token_endpoint=self.entered.token_endpoint or metadata.token_endpoint or "",
            registration_endpoint=metadata.registration_endpoint,
            revocation_endpoint=self.entered.revocation_endpoint or metadata.revocation_endpoint,
            auth_methods=metadata.auth_methods,
            iss_supported=metadata.iss_supported,
            documents_supported=metadata.documents_supported,
            steps=self.trail.steps,
        )

    async def _resource(self, knocked: Knocked) -> ProtectedResource | None:
        """The metadata of the server itself; None where there is none that can be read."""
        named = knocked.challenge and knocked.challenge.parameters.get("resource_metadata")
        places = [*([named] if named else []), *resource_documents(self.server.url)]
        for url in dict.fromkeys(places):
            heard = await self.trail.get(url)
            document = heard.document
            found = document if isinstance(document, str) else read_resource(document)
            if isinstance(found, str):
                self.trail.note("resource", "warning", f"{quoted(url)} {found}.", heard.exchange)
            elif covers(found.resource, self.server.url):
                told = f"{self.server.name} is the resource {quoted(found.resource)}."
                self.trail.note("resource", "ok", told, heard.exchange)
                return found
            else:
                self._mismatch(found, heard)
                return None
        return None

    def _mismatch(self, found: ProtectedResource, heard: Heard) -> None:
        """A token for another resource is not for this server, or for more than this server (RFC 9728, section 7.3)."""
        told = (
            f"The metadata of {self.server.name} is for the resource {quoted(found.resource)}, to which its URL "
            f"{quoted(self.server.url)} does not belong."
        )
        if not self.entered.complete:
            raise self.trail.failed(
                "resource",
                f"{told} Register the URL that the server publishes, or tell whoever runs it.",
                heard.exchange,
            )
        self.trail.note("resource", "warning", f"{told} It is not used: the endpoints were entered.", heard.exchange)

    def _note_endpoints(self, metadata: ServerMetadata) -> None:
        names = ("authorization_endpoint", "token_endpoint", "revocation_endpoint")
        by_hand = ", ".join(name for name in names if getattr(self.entered, name))
        told = f"Entered by hand: {by_hand}." if by_hand else "All from the metadata."
        self.trail.note("endpoints", "ok", told)
        if not self.entered.browser:
            return
        if metadata.pkce:
            self.trail.note("pkce", "ok", "PKCE with S256 is taken.")
        else:
            told = "The endpoints were entered by hand, and nobody says that PKCE is checked. It is sent all the same."
            self.trail.note("pkce", "warning", told)

    def _scopes(
        self, knocked: Knocked, resource: ProtectedResource | None, metadata: ServerMetadata
    ) -> tuple[str, ...]:
        """2026-07-28 authorization, Scope Selection Strategy and Refresh Tokens."""
        if self.entered.scopes is not None:
            self.trail.note("scopes", "ok", f"From the configuration: {' '.join(self.entered.scopes) or 'none'}.")
            return self.entered.scopes
        scopes, source = (knocked.challenge.scopes if knocked.challenge else ()), "the challenge"
        if not scopes and resource is not None:
            scopes, source = resource.scopes, "the server's metadata"
        if not scopes:
            self.trail.note("scopes", "ok", "Nobody names any, so none are asked for.")
            return ()
        if self.entered.browser and OFFLINE in metadata.scopes and OFFLINE not in scopes:
            scopes, source = (*scopes, OFFLINE), f"{source}, and {OFFLINE} to stay connected"
        self.trail.note("scopes", "ok", f"{' '.join(scopes)}: from {source}.")
        return scopes
