"""Reading a request to the authorization endpoint (OAuth 2.1, section 4.1.1). Changes nothing.

Two kinds of trouble. Whoever cannot be redirected to without doubt is not: that is raised, for a page of our own. All
else is `refusal`, told to the client once the person has signed in and clicked (RFC 9700, section 4.11.2): an attacker
can register a client, and would else have a link of ours that leads anywhere.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from gateway_core.access.endpoint import KEYS_ONLY
from gateway_core.errors import OAuthError
from gateway_core.issuer import redirects
from gateway_core.issuer.client import Client
from gateway_core.issuer.forms import Form, known, read_query
from gateway_core.issuer.metadata import scope_of
from gateway_core.issuer.resources import Resource, admin_url, read_resource

PARAMETERS: Final = frozenset(
    {
        "response_type",
        "client_id",
        "redirect_uri",
        "scope",
        "state",
        "code_challenge",
        "code_challenge_method",
        "resource",
        "response_mode",
    }
)
MAX_STATE: Final = 2_048
"""Characters. It goes into a redirect, which browsers and proxies cut."""
MAX_SCOPE: Final = 1_000
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")
"""RFC 7636, section 4.2."""
_SCOPE: Final = re.compile(r"[!#-\[\]-~]+(?: [!#-\[\]-~]+)*")
"""RFC 6749, section 3.3."""
FindClient = Callable[[str], Awaitable[Client | None]]


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """What a client asks a person for."""

    client: Client
    redirect_uri: str
    state: str | None
    challenge: str
    scope: str
    resource: Resource | None
    """None: it names none, and the person chooses a workspace."""
    refusal: OAuthError | None
    """What is wrong with it, to be told to the client after sign-in and a click."""
    redirect_uri_named: bool = True
    """False where the client has but one redirect URI and left it out."""


async def read_request(query: str, public_url: str, find: FindClient) -> AuthorizationRequest:
    """The request in a query string.

    Raises:
        OAuthError: It must be told on a page, never by a redirect: unreadable, an unknown client, or a redirect URI
            that is not the client's.
    """
    form = known(read_query(query), PARAMETERS)
    client = await _client(form, find)
    redirect_uri = _redirect_uri(form, client)
    if redirects.leads_to(redirect_uri, public_url):
        raise OAuthError("invalid_request", "The link wants to return to the gateway itself (redirect_uri).")
    state = None if "state" in form.repeated else form.get("state")
    refusal, resource = None, None
    try:
        _check_form(form)
        _check_challenge(form)
        resource = _resource(form, client, public_url)
        _check_scope(form)
    except OAuthError as problem:
        refusal = problem
    return AuthorizationRequest(
        client=client,
        redirect_uri=redirect_uri,
        state=state,
        challenge=form.get("code_challenge") or "",
        scope=scope_of(resource),
        resource=resource,
        refusal=refusal,
        redirect_uri_named=form.get("redirect_uri") is not None,
    )


async def _client(form: Form, find: FindClient) -> Client:
    client_id = form.get("client_id")
    if client_id is None or "client_id" in form.repeated:
        raise OAuthError("invalid_request", "The link does not say which app wants to sign in (client_id).")
    client = await find(client_id)
    if client is None:
        raise OAuthError(
            "invalid_client", "This app is not known here. Remove the server from the app, and add it again."
        )
    return client


def _redirect_uri(form: Form, client: Client) -> str:
    """The exact URI that will be redirected to (RFC 9700, section 4.1.3)."""
    named = form.get("redirect_uri")
    if "redirect_uri" in form.repeated:
        raise OAuthError("invalid_request", "The link says more than once where to return to (redirect_uri).")
    if named is None:
        if len(client.redirect_uris) == 1:
            return client.redirect_uris[0]
        raise OAuthError("invalid_request", "The link does not say where to return to (redirect_uri).")
    if not client.may_redirect_to(named):
        raise OAuthError(
            "invalid_request", "The link wants to return to an address that this app has not registered (redirect_uri)."
        )
    return named


def _check_form(form: Form) -> None:
    twice = form.repeated - {"resource"}
    if twice:
        raise OAuthError("invalid_request", f"The parameter {min(twice)} came more than once.")
    if len(form.get("state") or "") > MAX_STATE:
        raise OAuthError("invalid_request", f"state is longer than {MAX_STATE} characters.")
    response_type = form.get("response_type")
    if response_type is None:
        raise OAuthError("invalid_request", "response_type is missing.")
    if response_type != "code":
        raise OAuthError("unsupported_response_type", "Only response_type=code is offered.")
    if form.get("response_mode") not in (None, "query"):
        raise OAuthError("invalid_request", "Only response_mode=query is offered.")


def _check_challenge(form: Form) -> None:
    """PKCE by S256 and nothing less (OAuth 2.1, section 7.5.2); leaving the method out would mean `plain`."""
    challenge = form.get("code_challenge")
    if challenge is None:
        raise OAuthError("invalid_request", "code_challenge is missing: PKCE is required.")
    if form.get("code_challenge_method") != "S256":
        raise OAuthError("invalid_request", "code_challenge_method must be S256.")
    if not _CHALLENGE.fullmatch(challenge):
        raise OAuthError("invalid_request", "code_challenge must be 43 to 128 characters of base64url.")


def _check_scope(form: Form) -> None:
    """Scopes that are not known are ignored; the token response says what was granted (RFC 6749, section 3.3)."""
    scope = form.get("scope")
    if scope is not None and (len(scope) > MAX_SCOPE or not _SCOPE.fullmatch(scope)):
        raise OAuthError("invalid_scope", "scope must be words, with one space between any two.")


def _resource(form: Form, client: Client, public_url: str) -> Resource | None:
    """The one resource that is asked for (RFC 8707, section 2).

    The admin API is for clients that an administrator, or this gateway itself, vouches for: nobody else's page should
    ever ask a person for that.
    """
    named = form.get("resource")
    if "resource" in form.repeated:
        raise OAuthError("invalid_target", "Ask for one resource at a time.")
    if named is None:
        return read_resource(admin_url(public_url), public_url) if client.kind == "built_in" else None
    resource = read_resource(named, public_url)
    if resource is None:
        if named.startswith(f"{public_url}/{KEYS_ONLY}/"):
            raise OAuthError("invalid_target", "This URL takes API keys alone. To sign in, add the URL without /k.")
        raise OAuthError("invalid_target", "resource must be the URL of an MCP endpoint of this gateway.")
    if (resource.kind == "admin") != (client.kind == "built_in") and client.kind != "registered":
        raise OAuthError("invalid_target", "This app cannot be given access to that resource.")
    return resource
