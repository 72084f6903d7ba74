"""An account whose server leads to another authorization server than the one that the account was connected at.

That is what a move looks like, and a server that was taken over as well: whoever connects is warned, and whoever runs
the gateway reads it in the log.
"""

import logging

from gateway_core.connect.entered import entered
from gateway_core.registry.servers import Server
from gateway_core.upstream.connections import Connection

logger = logging.getLogger(__name__)


def left_issuer(before: Connection | None, issuer: str, server: Server, *, by: str, connected: bool) -> str | None:
    """The authorization server that was left; None where it is the same, there was none, or an administrator has
    entered the other one. Logged as `issuer_changed`.

    Args:
        before: The account as it is connected, or was.
        issuer: Where the server leads now.
        server: As it is registered.
        by: Id of the member who connects it.
        connected: True once they have; False where they look at the page.
    """
    known = entered(server.auth)
    if before is None or before.issuer == issuer or known.issuer is not None or known.complete:
        return None
    fields = {"server": server.id, "holder": before.holder.id, "actor": by, "connected": connected}
    logger.warning("issuer_changed", extra={"fields": {**fields, "before": before.issuer, "now": issuer}})
    return before.issuer
