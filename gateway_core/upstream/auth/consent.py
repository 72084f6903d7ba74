"""What callers hear where an account has to be connected: a link, where they can do so themselves, else who can."""

import hashlib

from gateway_core.access.roles import Actor, may_connect
from gateway_core.errors import ConsentRequired, Refused
from gateway_core.parts import part
from gateway_core.registry.upstream_auth import Granularity
from gateway_core.upstream.auth.asked import Asked
from gateway_core.upstream.identity import OwnUrl
from gateway_core.upstream.tickets import Tickets


@part
class Consents:
    """Stateless. `own_url` gives the gateway's own address; empty where nobody has said it. Without `tickets` nobody is
    told a link of their own, but the address of the page."""

    tickets: Tickets | None
    own_url: OwnUrl

    async def needed(self, asked: Asked, granularity: Granularity, why: str) -> Refused:
        """The refusal of a call for which an account has to be connected.

        Args:
            asked: The request.
            granularity: Whose account it is.
            why: The reason as a whole sentence.
        """
        member = asked.behalf.member
        if granularity == "user" and member is None:
            return _nobodys(asked)
        public_url = await self.own_url()
        if not public_url:
            told = f"{why} This gateway does not know its own address, under which that is done."
            return Refused(f"{told} Ask its operator to set PUBLIC_URL.", reason="no_public_url")
        if member is None or not may_connect(Actor(member.email, member), granularity, asked.behalf.workspace.id):
            return _others(asked, granularity, why, public_url)
        if self.tickets is None:
            return Refused(f"{why} Connect it at {_page(asked, public_url)}", reason="not_connected")
        ticket = await self.tickets.seal(
            member.id, asked.server.id, asked.behalf.workspace.id, client=asked.behalf.client
        )
        url = f"{public_url}/connect/{ticket}"
        named = hashlib.sha256(ticket.encode()).hexdigest()[:32]
        return ConsentRequired(why, url=url, elicitation_id=named)


def _others(asked: Asked, granularity: Granularity, why: str, public_url: str) -> Refused:
    """It is for others to connect."""
    place = asked.behalf.workspace
    who = "An owner or admin of the organisation"
    if granularity == "workspace":
        who += f", or an admin of the workspace {place.name},"
    return Refused(f"{why} {who} connects it at {_page(asked, public_url)}", reason="not_connected")


def _page(asked: Asked, public_url: str) -> str:
    return f"{public_url}/connect/{asked.behalf.workspace.slug}/{asked.server.slug}"


def _nobodys(asked: Asked) -> Refused:
    """The caller is nobody who could have an account."""
    caller, name = asked.behalf.caller, asked.server.name
    if caller.kind == "service":
        whose, instead = f"this key belongs to the service {caller.subject}", "Use a person's key"
    else:
        whose = f"this token is of {caller.issuer}, whose people have no accounts of their own here"
        instead = "Sign in at this gateway, or use a person's key"
    told = f"{name} acts as the person who calls, and {whose}. {instead}, or let an administrator set another "
    return Refused(f"{told}`granularity` for {name}: workspace or organisation.", reason="no_person")
