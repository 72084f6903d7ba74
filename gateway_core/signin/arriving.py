"""Who came back from the identity provider: what its claims say about a person. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway_core.registry.members import Identity, email_problem, plain_email, plain_name


@dataclass(frozen=True, slots=True)
class Arrived:
    """One person, as the identity provider vouches for them."""

    identity: Identity
    email: str | None
    email_verified: bool
    """True only where the provider says that the address is theirs. Microsoft Entra ID never does: whoever runs a
    directory there can write any address into it, so its people come in by invitation link, never by address."""
    name: str
    groups: tuple[str, ...] | None
    """None where nobody was asked for groups."""
    next_path: str
    """Where they wanted to go."""


def arrived_from(
    claims: Mapping[str, Any], address: Mapping[str, Any], *, groups_claim: str, next_path: str
) -> Arrived:
    """The person that an ID token names.

    Args:
        claims: Of the ID token.
        address: The claims that name the e-mail address: the same, or those of the userinfo endpoint. Address and
            `email_verified` are always taken from one and the same.
        groups_claim: The claim that lists the groups. Where it is missing the person has none: providers leave it out
            for who is in no group, and a role must go with the group that gave it.
        next_path: Where they wanted to go.
    """
    email = address.get("email")
    usable = isinstance(email, str) and email_problem(email) is None
    name = claims.get("name") or address.get("name")
    return Arrived(
        identity=Identity(claims["iss"], claims["sub"]),
        email=plain_email(str(email)) if usable else None,
        email_verified=usable and _true(address.get("email_verified")),
        name=plain_name(name) if isinstance(name, str) else "",
        groups=read_groups(claims.get(groups_claim)),
        next_path=next_path,
    )


def _true(value: Any) -> bool:
    """Cognito sends the text "true" in places where the standard has a boolean; a 1 is neither."""
    return value is True or (isinstance(value, str) and value == "true")


def read_groups(value: Any) -> tuple[str, ...]:
    """The groups of a claim: a list of names, or one name. What is neither is no group."""
    if isinstance(value, str):
        return (value,)
    return tuple(group for group in value if isinstance(group, str)) if isinstance(value, list) else ()
