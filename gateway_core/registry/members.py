"""Members: the people of the organisation, and what each may do. Pure."""

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

OrganisationRole = Literal["owner", "admin", "auditor", "member"]
WorkspaceRole = Literal["admin", "manager", "member"]

ORGANISATION_ROLES: Final[tuple[OrganisationRole, ...]] = ("owner", "admin", "auditor", "member")
"""From the most to the least."""
WORKSPACE_ROLES: Final[tuple[WorkspaceRole, ...]] = ("admin", "manager", "member")
"""From the most to the least."""
MAX_EMAIL: Final = 254
"""Characters of an e-mail address (RFC 5321, section 4.5.3.1.3, less the angle brackets of a path)."""
MAX_NAME: Final = 100
"""Characters of a person's name that are kept."""
_EMAIL: Final = re.compile(
    r"[a-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*"
)
"""What browsers take for an address (HTML, "valid e-mail address"), in lower case. ASCII only: `K` (Kelvin) is a `k` in
lower case, so that two addresses of two people could become one."""


@dataclass(frozen=True, slots=True)
class Roles:
    """One role in the organisation, and one in each workspace (by id) that the person belongs to."""

    organisation: OrganisationRole = "member"
    workspaces: Mapping[str, WorkspaceRole] = field(default_factory=dict)

    def joined(self, other: "Roles") -> "Roles":
        """The higher of both roles everywhere."""
        organisation = min(self.organisation, other.organisation, key=ORGANISATION_ROLES.index)
        workspaces = dict(self.workspaces)
        for workspace_id, role in other.workspaces.items():
            workspaces[workspace_id] = min(role, workspaces.get(workspace_id, "member"), key=WORKSPACE_ROLES.index)
        return Roles(organisation, workspaces)


class Identity(NamedTuple):
    """Who somebody is to an identity provider. The subject is the key, never the e-mail address (OIDC Core, 5.7)."""

    issuer: str
    subject: str

    @property
    def digest(self) -> str:
        """What the store knows it by: the SHA-256 of both."""
        # A line break stands in no issuer (a URL), so that no two identities can be spelled the same.
        return hashlib.sha256(f"{self.issuer}\n{self.subject}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Member:
    """One person. Times are Unix seconds."""

    id: str
    email: str
    """As written by whoever invited them, in lower case."""
    name: str
    given: Roles
    """What administrators gave."""
    mapped: Roles
    """What the groups of the last sign-in gave; the next sign-in replaces it."""
    identity: Identity | None
    """None while they are only invited, or invited anew."""
    created_at: int
    created_by: str
    signed_in_at: int | None = None

    @property
    def roles(self) -> Roles:
        """What they may do, from either source."""
        return self.given.joined(self.mapped)

    @property
    def invited(self) -> bool:
        """True until the first sign-in, and again after they were unlinked."""
        return self.identity is None

    def reaches(self, workspace_id: str) -> bool:
        """True where the person may use the servers of a workspace: it is theirs, or they run the organisation."""
        return self.roles.organisation in ("owner", "admin") or workspace_id in self.roles.workspaces


def plain_email(text: str) -> str:
    """An e-mail address as it is compared and kept: without spaces around it, its ASCII letters in lower case."""
    return text.strip().translate(_LOWER)


_LOWER: Final = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")


def email_problem(text: str) -> str | None:
    """Why `text` is no e-mail address that a member can have, or None."""
    if len(text) <= MAX_EMAIL and _EMAIL.fullmatch(plain_email(text)):
        return None
    return (
        f"{text[:80]!r} is not an e-mail address: write it like ana@example.com, in ASCII, "
        f"with at most {MAX_EMAIL} characters."
    )


def plain_name(text: str) -> str:
    """A person's name as it is kept: on one line, without control and invisible characters, at most `MAX_NAME` long."""
    seen = "".join(char if unicodedata.category(char)[0] != "C" else " " for char in text[: 4 * MAX_NAME])
    return " ".join(seen.split())[:MAX_NAME].rstrip()


def to_data(member: Member) -> dict[str, Any]:
    """The member as a JSON object for the store."""
    identity = member.identity
    return {
        "id": member.id,
        "email": member.email,
        "name": member.name,
        "given": roles_to_data(member.given),
        "mapped": roles_to_data(member.mapped),
        "identity": None if identity is None else {"issuer": identity.issuer, "subject": identity.subject},
        "created_at": member.created_at,
        "created_by": member.created_by,
        "signed_in_at": member.signed_in_at,
    }


def from_data(data: Mapping[str, Any]) -> Member:
    """The member that `to_data` wrote."""
    identity = data["identity"]
    return Member(
        **{
            **data,
            "given": roles_from_data(data["given"]),
            "mapped": roles_from_data(data["mapped"]),
            "identity": None if identity is None else Identity(**identity),
        }
    )


def roles_to_data(roles: Roles) -> dict[str, Any]:
    """Roles as a JSON object: `{"organisation": role, "workspaces": {id: role}}`."""
    return {"organisation": roles.organisation, "workspaces": dict(sorted(roles.workspaces.items()))}


def roles_from_data(data: Mapping[str, Any]) -> Roles:
    """The roles that `roles_to_data` wrote."""
    return Roles(data["organisation"], data["workspaces"])
