"""Every key of every item in one place; `docs/storage.md` says what each item holds. Pure.

Two tables: `registry` holds what administrators decide, `grants` what callers were given. One deployment serves
one organisation, so its partitions have no id. On AWS, what a function may write is said by partition and no finer
(`template.yaml`): what only administrators write and what sign-in writes, too, are never in one.
"""

from typing import Final

from gateway_core.ports import Key, Partition

ORGANISATION: Final = Partition("registry", "ORG")
"""What administrators alone decide for the organisation, and the lists that cover all of it."""
PEOPLE: Final = Partition("registry", "PEOPLE")
"""Who belongs to the organisation."""
SECRETS: Final = Partition("grants", "SECRETS")
"""Sealed secret values (one machine only; on AWS they are in Secrets Manager)."""
WORKSPACE_PREFIX: Final = "WORKSPACE#"
SERVER_PREFIX: Final = "SERVER#"
API_KEY_PREFIX: Final = "KEY#"
MEMBER_PREFIX: Final = "MEMBER#"
CLIENT_PREFIX: Final = "CLIENT#"
GRANT_PREFIX: Final = "GRANT#"
HOLDER_PREFIX: Final = "HOLDER#"
CONNECTION_PREFIX: Final = "CONNECTION#"
ATTEMPT_PREFIX: Final = "STATE#"


def organisation_head() -> Key:
    """Name and revision of the organisation. Read by every call; written with every change, whoever makes it."""
    return Key("registry", "HEAD", "HEAD")


def workspace(workspace_id: str) -> Key:
    """One workspace."""
    return Key(*ORGANISATION, f"{WORKSPACE_PREFIX}{workspace_id}")


def server(server_id: str) -> Key:
    """One server of the registry."""
    return Key(*ORGANISATION, f"{SERVER_PREFIX}{server_id}")


def name(slug: str) -> Key:
    """Who holds a slug. Servers and workspaces share the namespace: both stand first in a URL."""
    return Key("registry", f"NAME#{slug}", "NAME")


def member(member_id: str) -> Key:
    """One person of the organisation."""
    return Key(*PEOPLE, f"{MEMBER_PREFIX}{member_id}")


def member_email(email: str) -> Key:
    """Who has an e-mail address (in lower case)."""
    return Key("registry", f"EMAIL#{email}", "MEMBER")


def member_identity(digest: str) -> Key:
    """Who somebody of an identity provider is here; `digest` is the SHA-256 of issuer and subject."""
    return Key("registry", f"IDENTITY#{digest}", "MEMBER")


def group_mapping() -> Key:
    """Which groups of the identity provider give which roles."""
    return Key(*ORGANISATION, "GROUPS")


def jwt_validation() -> Key:
    """Which tokens of other issuers are believed at every server that says nothing of its own."""
    return Key(*ORGANISATION, "JWT")


def client_policy() -> Key:
    """Which OAuth clients may ask people to let them in."""
    return Key(*ORGANISATION, "CLIENTS")


def first_owner() -> Key:
    """That an owner has signed in. There is one item of this key or none, so that the set-up key makes one at most."""
    return Key(*PEOPLE, "FIRST-OWNER")


def first_owner_of_old() -> Key:
    """The same in tables of before people had a partition of their own. Only read."""
    return Key(*ORGANISATION, "FIRST-OWNER")


def oauth_client(client_id: str) -> Key:
    """One OAuth client that an administrator entered."""
    return Key(*ORGANISATION, f"{CLIENT_PREFIX}{client_id}")


def workspace_grants(workspace_id: str) -> Partition:
    """Everything granted within one workspace."""
    return Partition("grants", f"{WORKSPACE_PREFIX}{workspace_id}")


def api_key(workspace_id: str, key_id: str) -> Key:
    """One API key, found by what the key itself spells out."""
    return Key(*workspace_grants(workspace_id), f"{API_KEY_PREFIX}{key_id}")


def grant(place: str, grant_id: str) -> Key:
    """One grant; `place` is a workspace's id, or `org`."""
    return Key(*workspace_grants(place), f"{GRANT_PREFIX}{grant_id}")


def access_token(place: str, digest: str) -> Key:
    """One access token, under its SHA-256."""
    return Key(*workspace_grants(place), f"TOKEN#{digest}")


def member_grants(member_id: str) -> Partition:
    """What one member granted, wherever it is kept."""
    return Partition("grants", f"MEMBER#{member_id}")


def member_grant(member_id: str, place: str, grant_id: str) -> Key:
    """That a member has a grant."""
    return Key(*member_grants(member_id), f"{GRANT_PREFIX}{place}#{grant_id}")


def member_api_key(member_id: str, workspace_id: str, key_id: str) -> Key:
    """That a member has an API key."""
    return Key(*member_grants(member_id), f"{API_KEY_PREFIX}{workspace_id}#{key_id}")


def member_connection(member_id: str, server_id: str) -> Key:
    """That a member has connected an account of their own at a server."""
    return Key(*member_grants(member_id), f"{CONNECTION_PREFIX}{server_id}")


def authorization_code(digest: str) -> Key:
    """One authorization code, under its SHA-256."""
    return Key("grants", f"CODE#{digest}", "CODE")


def invitation(digest: str) -> Key:
    """One invitation, under the SHA-256 of what its link holds."""
    return Key("grants", f"INVITATION#{digest}", "INVITATION")


def member_invitation(member_id: str) -> Key:
    """Which invitation of a member is the newest: it alone works."""
    return Key(*member_grants(member_id), "INVITATION")


def password(member_id: str) -> Key:
    """How a member's password is checked (built-in sign-in only)."""
    return Key("grants", f"PASSWORD#{member_id}", "PASSWORD")


def sign_in(digest: str) -> Key:
    """A sign-in that is under way at the identity provider, under the SHA-256 of its `state`."""
    return Key("grants", f"SIGNIN#{digest}", "SIGNIN")


def browser(digest: str) -> Key:
    """One signed-in browser, under the SHA-256 of its cookie."""
    return Key("grants", f"BROWSER#{digest}", "BROWSER")


def browser_renamed(digest: str) -> Key:
    """That a browser has just been given another cookie, under the SHA-256 of the one before."""
    return Key("grants", f"BROWSER#{digest}", "RENAMED")


def throttle(what: str, digest: str, window: int) -> Key:
    """How often something was tried in one span of time."""
    return Key("grants", f"THROTTLE#{what}#{digest}", str(window))


def spoken(server_id: str) -> Key:
    """What a server was found to speak."""
    return Key("grants", f"SPOKEN#{server_id}", "SPOKEN")


def client_session(digest: str) -> Key:
    """What became of one session of a client since its token was sealed; `digest` is the token's SHA-256."""
    return Key("grants", f"SESSION#{digest}", "SESSION")


def upstream_session(server_id: str, digest: str) -> Key:
    """The session kept at a server for a caller whose own protocol has none; `digest` tells which caller and client."""
    return Key("grants", f"UPSTREAM#{server_id}#{digest}", "SESSION")


def server_connections(server_id: str) -> Partition:
    """The accounts that are connected at one server."""
    return Partition("grants", f"CONNECTIONS#{server_id}")


def connection(server_id: str, holder_id: str) -> Key:
    """One connected account. Its holder is `org`, a workspace's id or a member's: no two of these are the same."""
    return Key(*server_connections(server_id), f"{HOLDER_PREFIX}{holder_id}")


def refresh_lease(server_id: str, holder_id: str) -> Key:
    """Who is renewing the tokens of a connection at the moment."""
    return Key(*server_connections(server_id), f"LEASE#{holder_id}")


def server_clients(server_id: str) -> Partition:
    """Who the gateway is at the authorization servers of one server."""
    return Partition("grants", f"REGISTRATION#{server_id}")


def upstream_client(server_id: str, issuer_digest: str) -> Key:
    """The client that the gateway has registered for a server; `issuer_digest` is the SHA-256 of the authorization
    server's issuer."""
    return Key(*server_clients(server_id), f"ISSUER#{issuer_digest}")


def entered_client(server_id: str) -> Key:
    """For which authorization server the client that was entered for a server counts."""
    return Key(*server_clients(server_id), "ENTERED")


def connect_attempts(browser: str) -> Partition:
    """The authorizations at upstreams that are under way in one browser, by the SHA-256 of its cookie."""
    return Partition("grants", f"CONNECT#{browser}")


def connect_attempt(browser: str, digest: str) -> Key:
    """One of them, under the SHA-256 of its `state`: nobody finds it from another browser."""
    return Key(*connect_attempts(browser), f"{ATTEMPT_PREFIX}{digest}")


def connect_browser(digest: str) -> Key:
    """In which browser an authorization was begun, under the SHA-256 of its `state`."""
    return Key("grants", f"CONNECT#{digest}", "BROWSER")


def pending_consent(browser: str, digest: str) -> Key:
    """What was allowed to a client in one browser, which waits until an account is connected; `digest` is that of its
    name."""
    return Key(*connect_attempts(browser), f"CONSENT#{digest}")


def mailbox(box: str) -> Partition:
    """Letters from one process to another that waits for them."""
    return Partition("grants", f"MAIL#{box}")


def letter(box: str, name: str) -> Key:
    """One letter of a mailbox."""
    return Key(*mailbox(box), name)


def secret(secret_name: str) -> Key:
    """One sealed secret value (one machine only)."""
    return Key(*SECRETS, secret_name)


def identity_keys() -> Key:
    """The keys by which the gateway says who calls: public parts, and private ones sealed."""
    return Key("grants", "IDENTITYKEYS", "KEYS")


def data_key(place: str) -> Key:
    """The wrapped key that seals what connections hold; `place` is a workspace's id, or `org`."""
    return Key("grants", f"DATAKEY#{place}", "DATAKEY")
