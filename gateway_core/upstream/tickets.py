"""Tickets: links by which a person connects an account. Made where calls are refused for the lack of one, opened by the
page that the link leads to.

A ticket says what is to be connected and for whom, sealed. It lets nobody in: whoever opens it has to be signed in as
the member that it was made for (2026-07-28 elicitation, Phishing).
"""

import base64
import binascii
import json
from dataclasses import astuple, dataclass
from typing import Final

from gateway_core.parts import part
from gateway_core.ports import Clock, Keyring

LIFE_S: Final = 600
"""How long a ticket is good: as long as somebody looks at what their client shows them."""
MAX_CLIENT: Final = 64
"""Characters of a client's name that a ticket carries: the link has to fit on a line of a terminal or two."""
MAX_TICKET: Final = 1_024
"""Characters; a longer one cannot be ours."""
CONTEXT: Final = "connect"


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a link is for."""

    member_id: str
    server_id: str
    workspace_id: str
    """From which the server was called."""
    client: str
    """Name of the program that called; empty where it did not say."""
    until: int
    """Unix seconds."""


@part
class Tickets:
    """Stateless."""

    keyring: Keyring
    clock: Clock

    async def seal(self, member_id: str, server_id: str, workspace_id: str, *, client: str) -> str:
        """A new ticket, as it stands in a URL."""
        ticket = Ticket(member_id, server_id, workspace_id, client[:MAX_CLIENT], self.clock() + LIFE_S)
        sealed = await self.keyring.seal(json.dumps(astuple(ticket)).encode(), context=CONTEXT)
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    async def open(self, text: str) -> Ticket | None:
        """The ticket in a URL; None where it is none of ours, or too old."""
        if len(text) > MAX_TICKET or not text.isascii():
            return None
        try:
            sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        plain = await self.keyring.open(sealed, context=CONTEXT)
        ticket = None if plain is None else Ticket(*json.loads(plain))
        return ticket if ticket is not None and self.clock() < ticket.until else None
