"""The answers of the admin API, as far as commands read them.

What a newer gateway says besides is left aside; an answer that lacks what is read here is told in words, once, by
`AdminClient.read`.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Moment = Annotated[int, Field(ge=0, lt=253_402_300_800)]
"""Unix seconds, up to the year 9999: what can be printed as a date."""


class Told(BaseModel):
    """An answer, or a part of one. By itself: one of which nothing is read."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Roles(Told):
    """What somebody may do, by slug of workspace."""

    organisation: str
    workspaces: dict[str, str]


class Member(Told):
    """A person of the organisation."""

    id: str
    email: str
    name: str
    roles: Roles
    given: Roles
    invited: bool
    signed_in_at: Moment | None


class Members(Told):
    """GET /members."""

    members: list[Member]


class ChangedMember(Member):
    """PATCH /members/{id}, and POST /members/{id}/unlink."""

    next: str | None


class InvitedMember(Member):
    """POST /members, and POST /members/{id}/invitation."""

    link: str | None
    link_until: Moment | None
    next: str


class Reached(Told):
    """A server in a workspace, by slugs."""

    workspace: str
    server: str


class Me(Told):
    """GET /me. No member for the administrator's key."""

    name: str
    member: Member | None
    servers: list[Reached]
    more_servers: bool


class Group(Told):
    """A group of the identity provider, and what it gives."""

    group: str
    organisation: str | None
    workspaces: dict[str, str]


class Groups(Told):
    """GET /groups."""

    groups: list[Group]


class Key(Told):
    """An API key without its text."""

    id: str
    workspace_id: str
    kind: str
    subject: str
    servers: list[str] | None
    created_at: Moment
    expires_at: Moment | None
    revoked_at: Moment | None


class MadeKey(Key):
    """POST /keys."""

    key: str
    next: str | None


class Keys(Told):
    """GET /keys."""

    keys: list[Key]


class OwnKeys(Keys):
    """GET /me/keys."""

    slugs: dict[str, str]


class Client(Told):
    """An OAuth client that was entered."""

    id: str
    name: str
    redirect_uris: list[str]
    auth_method: str
    created_at: Moment


class MadeClient(Client):
    """POST /clients."""

    secret: str | None


class Policy(Told):
    """Which clients may come in that nobody entered."""

    metadata_documents: Literal["any", "known", "none"] | list[str]
    dynamic_registration: bool


class Clients(Told):
    """GET /clients."""

    clients: list[Client]
    policy: Policy


class Owner(Told):
    """Whose a grant is."""

    email: str | None


class Holder(Told):
    """Which client has a grant."""

    id: str
    name: str


class Grant(Told):
    """What somebody let a client do."""

    id: str
    workspace: str | None
    member: Owner
    client: Holder
    resource: str
    created_at: Moment
    expires_at: Moment


class Grants(Told):
    """GET /grants, and GET /me/grants."""

    grants: list[Grant]


class Secret(Told):
    """A secret without its value."""

    name: str
    used_by: list[str]


class Secrets(Told):
    """GET /secrets."""

    secrets: list[Secret]


class Named(Told):
    """A workspace or server by id and slug."""

    id: str
    slug: str


class Workspaces(Told):
    """GET /workspaces."""

    workspaces: list[Named]


class ServerNames(Told):
    """GET /servers, where only slugs are wanted."""

    servers: list[Named]


class Auth(Told):
    """How the gateway proves itself to a server, and whose account that is."""

    type: str
    granularity: str | None


class Server(Named):
    """A server of the registry."""

    url: str
    auth: Auth
    workspaces: Literal["all"] | list[str]


class Servers(Told):
    """GET /servers."""

    servers: list[Server]


class Change(Told):
    """What was done to one entry of the registry."""

    action: str
    kind: str
    slug: str
    fields: list[str]


class Changes(Told):
    """POST /apply."""

    changes: list[Change]


class AccountHolder(Told):
    """Whose an account is."""

    id: str
    name: str | None


class Connection(Told):
    """A connected account. `server` is null where the server is gone."""

    server: str | None
    server_id: str
    holder: AccountHolder
    account: str | None
    state: str
    wanted: list[str]
    connected_at: Moment
    used_at: Moment | None


class Connections(Told):
    """GET /connections."""

    connections: list[Connection]


class Disconnected(Told):
    """DELETE /connections/{server}/{holder}."""

    at_provider: str
