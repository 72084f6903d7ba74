"""Refresh tokens in turn: which of a family somebody shows, and what the family is after the next turn. Pure.

Every refresh gives a new token (OAuth 2.1, section 4.3.1). Whoever shows an old one has stolen it, or was stolen from:
the whole grant ends. Except that an answer may get lost on its way: for a minute, and once, the token before the
current one gets the same answer again.
"""

from dataclasses import replace
from typing import Final, Literal

from gateway_core.access.grants import Grant, Previous

ACCESS_S: Final = 3_600
"""Life of an access token."""
IDLE_S: Final = 30 * 86_400
"""A grant ends when it was not refreshed for so long."""
ABSOLUTE_S: Final = 180 * 86_400
"""A grant ends, however often it is refreshed."""
GRACE_S: Final = 60
"""As long as Amazon Cognito's longest."""
MAX_SPENT: Final = 20
"""Old refresh tokens remembered; an older one is unknown, and revokes nothing."""

Standing = Literal["current", "lost_answer", "asked_again", "stolen", "unknown"]
"""`lost_answer`: the one before, in time and for the first time; `asked_again`: in time, but not for the first."""


def standing(grant: Grant, digest: str, now: int) -> Standing:
    """What the refresh token with that digest is to its family at `now`."""
    if digest == grant.refresh_hash:
        return "current"
    previous = grant.previous
    if previous is not None and digest == previous.hash:
        if now - previous.rotated_at > GRACE_S:
            return "stolen"
        return "asked_again" if previous.repeated else "lost_answer"
    return "stolen" if digest in grant.spent else "unknown"


def rotated(grant: Grant, refresh_hash: str, answer: str, now: int) -> Grant:
    """The grant after a refresh at `now`; `answer` is the token response, sealed."""
    before = grant.previous
    spent = grant.spent if before is None else (before.hash, *grant.spent)[:MAX_SPENT]
    return replace(
        grant,
        refresh_hash=refresh_hash,
        refreshed_at=now,
        previous=Previous(grant.refresh_hash, now, answer),
        spent=spent,
    )


def answered_again(grant: Grant) -> Grant:
    """The grant once its lost answer was given again."""
    return grant if grant.previous is None else replace(grant, previous=grant.previous._replace(repeated=True))


def ends_at(grant: Grant) -> int:
    """When the grant is gone unless it is refreshed before."""
    return min(grant.refreshed_at + IDLE_S, grant.expires_at)


def access_life_s(expires_at: int, now: int) -> int:
    """Life of an access token that is made at `now` for a grant that ends at `expires_at`."""
    return min(ACCESS_S, expires_at - now)
