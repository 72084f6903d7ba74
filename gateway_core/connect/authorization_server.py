"""Choosing the authorization server of a server, and reading what it says about itself.

An administrator's choice wins; else the first one counts that the server names and that can be used. Metadata of
another issuer than the one that was looked for is never used (RFC 8414, section 3.3).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from gateway_core.connect.documents import ProtectedResource, ServerMetadata, read_server, unpublished
from gateway_core.connect.entered import Entered
from gateway_core.connect.locations import origin_of, refusal_of, server_documents
from gateway_core.connect.quoting import quoted
from gateway_core.connect.steps import DiscoveryFailed, Heard, Trail
from gateway_core.registry.servers import Server


class _Unusable(NamedTuple):
    """Why an authorization server cannot be used."""

    told: str
    """In words that go on with its name."""
    advice: str = ""
    """What to do, where that is known."""
    unreachable: bool = False


@dataclass(frozen=True, slots=True)
class Search:
    """The search for the authorization server of one server."""

    server: Server
    entered: Entered
    trail: Trail

    async def find(self, resource: ProtectedResource | None, *, demanded: bool) -> ServerMetadata:
        """The metadata of the authorization server. What it lacks, an administrator has entered.

        Args:
            resource: The server's own metadata, where there is any.
            demanded: True where the server wants a log-in.

        Raises:
            DiscoveryFailed: None can be used.
        """
        candidates = self._candidates(resource, demanded=demanded)
        first: _Unusable | None = None
        for issuers in candidates:
            found = await self._ask(issuers)
            if isinstance(found, ServerMetadata):
                return found
            first = first or found._replace(
                told=f"The authorization server {quoted(issuers[0])} of {self.server.name} {found.told}."
            )
        if first is not None and not self.entered.complete:
            raise self._failed(first)
        told = "The endpoints were entered by hand."
        if self.entered.issuer is None:
            told += " Without `issuer`, an answer that names its issuer cannot be checked."
        self.trail.note("server", "warning" if candidates else "skipped", told)
        # Where nobody names the issuer: what is kept must be kept for somebody.
        return unpublished(self.entered.issuer or origin_of(self.entered.token_endpoint or ""))

    def _failed(self, why: _Unusable) -> DiscoveryFailed:
        if why.unreachable:
            return self.trail.unreachable("server", why.told)
        advice = why.advice or f"Tell whoever runs it, or enter {self.entered.endpoints} in the server's auth."
        return self.trail.failed("server", f"{why.told} {advice}")

    def _candidates(self, resource: ProtectedResource | None, *, demanded: bool) -> tuple[tuple[str, ...], ...]:
        """Issuers to try in order, each with how else it may spell itself."""
        chosen, listed = self.entered.issuer, () if resource is None else resource.servers
        if chosen is not None:
            if listed and chosen not in listed:
                told = f"The configuration says {quoted(chosen)}; {self.server.name} itself names {quoted(listed[0])}."
                self.trail.note("server", "warning", told)
            return ((chosen,),)
        if self.entered.complete:
            return ()
        if listed:
            return tuple((issuer,) for issuer in listed)
        if resource is None and not demanded:
            raise self.trail.failed(
                "server",
                f"{self.server.name} demands no log-in, and names no authorization server. If it needs none, set its "
                f"auth to `none`; else enter `issuer`, or {self.entered.endpoints}.",
            )
        # Up to 2025-03-26 a server was its own authorization server. Nobody has spelled that issuer.
        origin = origin_of(self.server.url)
        told = f"{self.server.name} names no authorization server. Its own origin is tried, as in 2025-03-26."
        self.trail.note("server", "warning", told)
        return ((origin, f"{origin}/"),)

    async def _ask(self, issuers: tuple[str, ...]) -> "ServerMetadata | _Unusable":
        """The metadata of one authorization server, or why it cannot be used."""
        # RFC 8414, section 2: an issuer has no query.
        refusal = "has a query" if "?" in issuers[0] else refusal_of(issuers[0], plain_http=self._plain_http)
        if refusal:
            self.trail.note("server", "warning", f"The issuer {quoted(issuers[0])} {refusal}.")
            return _Unusable(f"cannot be used: its name {refusal}")
        absent: _Unusable | None = None
        refused: _Unusable | None = None
        for url in server_documents(issuers[0]):
            heard = await self.trail.get(url)
            found = self._read(heard, issuers)
            if isinstance(found, ServerMetadata):
                self._note(found, heard)
                return found
            self.trail.note("server", "warning", f"{quoted(url)} {found}.", heard.exchange)
            if isinstance(heard.document, str):
                absent = _absent(heard, url)
            else:
                refused = refused or _Unusable(f"cannot be used: its metadata {found}", _slash(heard.document, issuers))
        # There is always a place to look at.
        return refused or absent or _Unusable("has no metadata")

    def _read(self, heard: Heard, issuers: tuple[str, ...]) -> ServerMetadata | str:
        document = heard.document
        if isinstance(document, str):
            return document
        found = read_server(document, *issuers, plain_http=self._plain_http)
        return found if isinstance(found, str) else self._lacking(found) or found

    def _lacking(self, metadata: ServerMetadata) -> str | None:
        """What is missing for a log-in, in words."""
        needed = {"token_endpoint": self.entered.token_endpoint or metadata.token_endpoint}
        if self.entered.browser:
            needed["authorization_endpoint"] = self.entered.authorization_endpoint or metadata.authorization_endpoint
        missing = next((name for name, url in needed.items() if url is None), None)
        if missing is not None:
            why = metadata.ignored.get(missing)
            return f"has a `{missing}` that {why}" if why else f"has no `{missing}`"
        if self.entered.browser and not metadata.pkce and not self.entered.complete:
            # 2026-07-28 authorization/security-considerations, Authorization Code Protection: MUST refuse.
            return "does not say that PKCE with S256 is taken (`code_challenge_methods_supported`)"
        return None

    def _note(self, metadata: ServerMetadata, heard: Heard) -> None:
        self.trail.note("server", "ok", f"The authorization server is {quoted(metadata.issuer)}.", heard.exchange)
        if metadata.ignored:
            why = "; ".join(f"`{name}` {why}" for name, why in metadata.ignored.items())
            self.trail.note("endpoints", "warning", f"Not used of its metadata: {why}.")

    @property
    def _plain_http(self) -> bool:
        """Only a server on this machine may send us to an authorization server without TLS."""
        return self.server.url.startswith("http://") or self.entered.plain_http


def _absent(heard: Heard, url: str) -> _Unusable:
    """Where no document came."""
    if heard.unreachable:
        return _Unusable(heard.problem, unreachable=True)
    return _Unusable(f"has no metadata: {quoted(url)} {heard.document}")


def _slash(document: Mapping[str, Any], issuers: tuple[str, ...]) -> str:
    """What to do where an issuer that somebody has written is the right one but for a slash at its end."""
    named = document.get("issuer")
    if not isinstance(named, str) or named in issuers or named.rstrip("/") not in {one.rstrip("/") for one in issuers}:
        return ""
    return f"The two differ by the slash at the end alone. Write `issuer` as {quoted(named)} in the server's auth."
