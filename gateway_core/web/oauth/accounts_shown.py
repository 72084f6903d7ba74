"""How a connected account is shown to people: its state in words, and what to do in the app they came from. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from gateway_core.access.api_keys import day, minute
from gateway_core.connect.disconnecting import Revoked
from gateway_core.registry.servers import Server
from gateway_core.upstream.connections import Connection, ShownState

DONE_WORDS: Final = (
    ("claude", "Go back to Claude and choose “I'm done, continue” or “Retry now”: what you asked for goes on."),
    ("copilot", "Go back to Copilot and confirm that you are done: what you asked for goes on."),
)
"""What people do in programs that wait for them, by how the program's name begins."""
ENDED: Final[Mapping[Revoked, str]] = {
    "revoked": "account",
    "not_revoked": "account_kept",
    "not_offered": "account_unasked",
}
"""What the account page says once an account is gone (`account.DONE`)."""


@dataclass(frozen=True, slots=True)
class ShownAccount:
    """One account."""

    server_id: str
    server: str
    """Name of the server; its id where it was removed."""
    account: str
    """Name of the account; empty where the authorization server does not tell."""
    state: str
    well: bool
    """False where somebody has to do something."""
    scopes: str
    since: str
    by: str
    used: str
    """The day of the last use; empty before the first."""
    path: str
    """Of the page on which it is connected anew; empty where there is none."""


def shown_account(connection: Connection, server: Server | None, *, path: str, now: int) -> ShownAccount:
    """An account as its page shows it at `now`."""
    shown = connection.shown_state(now)
    return ShownAccount(
        server_id=connection.server_id,
        server=connection.server_id if server is None else server.name,
        account=connection.account or "",
        state=_state(connection, shown),
        well=shown == "ok" and not connection.wanted,
        scopes=" ".join(connection.scopes),
        since=day(connection.connected_at),
        by=connection.connected_by,
        used=day(connection.used_at) if connection.used_at else "",
        path=path,
    )


def what_next(program: str) -> str:
    """What somebody does after they have connected an account, who came from `program` ("": not known)."""
    known = next((words for begins, words in DONE_WORDS if program.lower().startswith(begins)), None)
    # Some go on by themselves, and how a program was told is not known here.
    return known or (
        f"Go back to {program or 'your app'} and continue there; if it does not go on by itself, ask for the same once "
        "more."
    )


def _state(connection: Connection, shown: ShownState) -> str:
    if shown in ("needs_consent", "broken") and connection.state == "ok":
        return _ended(connection)
    if shown == "needs_consent":
        return f"Needs you again. {connection.why or ''}".rstrip()
    if shown == "broken":
        return f"Does not work. {connection.why or ''}".rstrip()
    if connection.wanted:
        return "Works. The server has asked for more permission than it was given: connect again to give it."
    if shown == "expiring":
        until = minute(connection.expires_at or 0)
        why = connection.why or "The server gives nothing to renew it with: connect it again then."
        return f"Works until {until}. {why}"
    return "Works. The gateway renews it." if connection.renewable else "Works."


def _ended(connection: Connection) -> str:
    """Of one whose token has ended, which no call has found out yet, or whose renewals fail at the moment."""
    ended = f"Its token ended on {minute(connection.expires_at or 0)}"
    if connection.renewable:
        return f"{ended}; it could not be renewed: {connection.why}"
    return f"Needs you again. {ended}; the server gave nothing to renew it with."
