"""Every way the gateway says no, on one page. `message` is public; facts that are not stay in the log.

GatewayError
├── BadRequest                400  what was sent cannot be read
│   └── TwoCredentials        400  more than one credential in one request
├── Unauthenticated           401  who are you
│   └── CredentialEnded       401  proven, and good no more (`access/callers.py`, which knows callers)
├── OriginRefused             403  a web page of another origin
├── NotAllowed                403  an administrative action that takes another role; says whose
├── NotFound                  404  unknown, or outside the caller's reach: the same words for both
├── MethodNotAllowed          405
├── NotAcceptable             406  the client cannot read what would be answered
├── TooLarge                  413
├── Misdirected               421  the Host is not one of ours (DNS rebinding)
├── TooManyRequests           429  tried too often; says when to come back
├── OAuthError                400  an OAuth request that cannot be granted, in RFC 6749's words
├── SignInFailed              403  nobody is signed in; says why
├── ConnectFailed             400  no account at a server was connected; says why
├── Refused                   200  policy; says who can change it
│   └── ConsentRequired            the caller can change it, with their browser
├── UpstreamError             200  the server behind the gateway did not give a usable answer
│   ├── UpstreamUnreachable        never connected, or the address is not allowed
│   ├── UpstreamTimedOut
│   ├── UpstreamRefused            its own 401, 403, 429 or 5xx
│   ├── UpstreamChangedEra         refused at the door: it speaks another era than was known
│   ├── UpstreamForgot             refused at the door: it no longer knows the session
│   ├── UpstreamClosed             the answer stopped early
│   ├── UpstreamTooLarge
│   └── UpstreamGarbage            an answer that is no MCP
├── Invalid                   422  an administrative request that cannot be carried out as written
├── Conflict                  409  someone else changed the same thing first
├── StoreFull                 507  nothing was written
└── StoreUnavailable          503  closed, never open: no credential can be checked
    └── KeyRefused                 whoever keeps the key that others are wrapped with does not let us use it
"""

from typing import Any, ClassVar, Self


class GatewayError(Exception):
    """A refusal with words for the person at the client. `message` is public: what happened and what to do, never a
    secret, an address or a stack trace. `reason` is the fixed word for the record of the call."""

    status: ClassVar[int] = 500
    reason: str = "internal_error"

    def __init__(self, message: str, *, reason: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if reason is not None:
            self.reason = reason


class BadRequest(GatewayError):
    """What was sent cannot be read. `code` is the JSON-RPC error code, `data` its data."""

    status = 400
    reason = "bad_request"

    def __init__(self, message: str, *, code: int = -32600, data: Any = None, reason: str | None = None) -> None:
        super().__init__(message, reason=reason)
        self.code, self.data = code, data
        self.http_status = self.status
        self.call_id: str | int | None = None

    def of(self, call_id: str | int | None, *, http_status: int = 400) -> Self:
        """The same, as the answer to the request `call_id`, with the status that its revision demands."""
        self.call_id, self.http_status = call_id, http_status
        return self


class TwoCredentials(BadRequest):
    """More than one credential in one request: nobody can say whose call it is."""

    reason = "two_credentials"


class Unauthenticated(GatewayError):
    """No credential, or one that is unknown, expired or revoked."""

    status = 401
    reason = "unauthenticated"


class OriginRefused(GatewayError):
    """A web page of an origin that is not allowed (2025-11-25 and 2026-07-28 transports, Security)."""

    status = 403
    reason = "origin_refused"


class NotAllowed(GatewayError):
    """Whoever asks is known, and their role does not cover what they ask for. The message says whose does."""

    status = 403
    reason = "not_allowed"


class NotFound(GatewayError):
    """Unknown, or outside the caller's reach; the two are told apart by nobody."""

    status = 404
    reason = "not_found"


class MethodNotAllowed(GatewayError):
    """An HTTP method that this path does not offer. `allow` lists those that it does, besides OPTIONS, which web pages
    may ask of every path."""

    status = 405
    reason = "method_not_allowed"

    def __init__(self, message: str, *, allow: str = "POST") -> None:
        super().__init__(message)
        self.allow = allow


class NotAcceptable(GatewayError):
    """The client's Accept header rules out what an MCP endpoint answers with."""

    status = 406
    reason = "not_acceptable"


class TooLarge(GatewayError):
    """The body is over the bound; the message names it."""

    status = 413
    reason = "body_too_large"


class Misdirected(GatewayError):
    """The Host header names somebody else: DNS rebinding, or a wrong PUBLIC_URL."""

    status = 421
    reason = "host_refused"


class TooManyRequests(GatewayError):
    """Tried too often. `retry_after_s` is the value of the Retry-After header."""

    status = 429
    reason = "too_many_requests"

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class OAuthError(GatewayError):
    """What an OAuth endpoint answers instead of what was asked for (RFC 6749 sections 4.1.2.1 and 5.2). The description
    is printed by clients: ASCII without `"` and `\\`, never a secret. `reason` says what the code alone does not."""

    status = 400
    reason = "oauth_error"

    def __init__(self, error: str, description: str, *, status: int = 400, reason: str | None = None) -> None:
        super().__init__(description, reason=reason or error)
        self.error = error
        self.http_status = status


class SignInFailed(GatewayError):
    """Nobody is signed in: wrong password, not invited, an answer of the identity provider that cannot be trusted.
    `next_path` is where this very browser was to go on, if it had begun; `member_id`, for the log, is whose account."""

    status = 403
    reason = "sign_in_failed"
    next_path: str | None = None
    member_id: str | None = None


class ConnectFailed(GatewayError):
    """No account at a server was connected: what came back cannot be believed, or says no. The message says why and
    what to do."""

    status = 400
    reason = "connect_failed"


class Refused(GatewayError):
    """Policy: the caller is known and the thing exists, and the answer is no all the same."""

    status = 200
    reason = "refused"


class ConsentRequired(Refused):
    """Whoever calls has to connect an account, with their browser at `url`; `why` is the message without the link."""

    reason = "consent_required"

    def __init__(self, why: str, *, url: str, elicitation_id: str) -> None:
        # The literal word is what programs look for in the message, and models show what follows it.
        super().__init__(f"{why} authorization_url: {url} — open it, then call again.")
        self.why, self.url, self.elicitation_id = why, url, elicitation_id


class UpstreamError(GatewayError):
    """The server behind the gateway did not give a usable answer."""

    status = 200
    reason = "upstream_failed"


class UpstreamUnreachable(UpstreamError):
    """No connection was made, so nothing was sent."""

    reason = "upstream_unreachable"


class UpstreamTimedOut(UpstreamError):
    """The time for this call ran out. What the upstream did with it is unknown."""

    reason = "upstream_timed_out"


class UpstreamRefused(UpstreamError):
    """The upstream answered 401, 403, 429 or 5xx."""

    reason = "upstream_refused"


class UpstreamChangedEra(UpstreamError):
    """The upstream refused a request, it seems because of its era. The request was not carried out. `refusal` is the
    HTTP status and JSON-RPC error as the upstream gave them, if it did: what counts if the era was right."""

    reason = "era_mismatch"

    def __init__(self, message: str, *, refusal: tuple[int, bytes] | None = None) -> None:
        super().__init__(message)
        self.refusal = refusal


class UpstreamForgot(UpstreamError):
    """The upstream no longer knows the session. The request was not carried out. `session_id` is the upstream's own, as
    it was sent."""

    reason = "upstream_forgot_session"

    def __init__(self, message: str, *, session_id: str | None = None) -> None:
        super().__init__(message)
        self.session_id = session_id


class UpstreamClosed(UpstreamError):
    """The connection ended before the answer was complete."""

    reason = "upstream_closed"


class UpstreamTooLarge(UpstreamError):
    """The answer is over the bound; the message names it."""

    reason = "upstream_too_large"


class UpstreamGarbage(UpstreamError):
    """The answer is no MCP: wrong content type, broken JSON, a foreign id, a redirect."""

    reason = "upstream_garbage"


class Invalid(GatewayError):
    """An administrative request that cannot be carried out as written; nothing was changed. `problems` has one
    `(path, message)` per field, e.g. `(("servers", 0, "slug"), "…")`."""

    status = 422
    reason = "invalid"

    def __init__(self, message: str, *, problems: tuple[tuple[tuple[str | int, ...], str], ...] = ()) -> None:
        super().__init__(message)
        self.problems = problems


class Conflict(GatewayError):
    """A condition on a write did not hold: someone else changed the same thing first."""

    status = 409
    reason = "conflict"


class StoreFull(GatewayError):
    """The disk or table is full; nothing was written."""

    status = 507
    reason = "store_full"


class StoreUnavailable(GatewayError):
    """The store did not answer, so nobody can be let in."""

    status = 503
    reason = "store_unavailable"


class KeyRefused(StoreUnavailable):
    """The keeper of the key that others are wrapped with answered, and the answer is no: an operator has to act."""

    reason = "key_refused"
