"""The identity provider: a browser goes there and comes back with a code (OpenID Connect Core 1.0, section 3.1)."""

import base64
import json
import logging
import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, quote_plus, urlsplit

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from gateway_core.errors import Conflict, SignInFailed
from gateway_core.ports import ABSENT, Clock, Item, Keyring, Table, Unchanged
from gateway_core.signin import cookies, failures
from gateway_core.signin.arriving import Arrived, arrived_from
from gateway_core.signin.asking import Asking, distrusted, unusable
from gateway_core.signin.discovery import Discovery, Metadata
from gateway_core.signin.id_token import Expected, claims_of, read_signed
from gateway_core.signin.signing_keys import SigningKeys
from gateway_core.storage import keys

BEGUN_S: Final = 600
"""How long a person may take at the provider, second factor and forgotten password included."""
MAX_ANSWER: Final = 16_384
"""Characters of the query that comes back. Codes of Microsoft have about 1 500."""
MAX_CODE: Final = 8_192
Prompt = Literal["select_account"]
"""OpenID Connect Core 1.0, section 3.1.2.1: the person chooses among the accounts they have there."""
_STATE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_ERROR: Final = re.compile(r"[a-z_]{1,64}")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Registration:
    """How the gateway is known at the provider."""

    issuer: str
    client_id: str
    redirect_uri: str
    groups_claim: str
    secret: Callable[[], Awaitable[str | None]]
    """The client's secret, read when it is needed; None for a public client."""


@dataclass(frozen=True, slots=True)
class Provider:
    """The one identity provider of this deployment."""

    registration: Registration
    discovery: Discovery
    signing_keys: SigningKeys
    asking: Asking
    table: Table
    keyring: Keyring
    clock: Clock

    @property
    def name(self) -> str:
        """What people know it by: the host of the issuer."""
        return urlsplit(self.registration.issuer).hostname or self.registration.issuer

    async def begin(self, *, next_path: str, browser: str, prompt: Prompt | None = None) -> str:
        """Begin a sign-in.

        Args:
            next_path: Where the person wants to go afterwards; another site becomes their account page.
            browser: The value of this browser's cookie. Only the same browser can come back.
            prompt: What the provider is to do first: after somebody signed out here, or was refused, it would else
                bring the same account back without a question.

        Returns:
            The URL at the provider to send the browser to.

        Raises:
            SignInFailed: The provider cannot be asked.
        """
        metadata = await self.discovery.metadata()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        begun = {"nonce": nonce, "verifier": verifier, "next": next_path}
        key = keys.sign_in(cookies.digest(state))
        sealed = await self.keyring.seal(json.dumps(begun).encode(), context=_context(state, cookies.digest(browser)))
        data = {"sealed": b64encode(sealed).decode()}
        await self.table.put(key, data, when=ABSENT, expires_at=self.clock() + BEGUN_S)
        return str(
            prepare_grant_uri(
                metadata.authorization_endpoint,
                self.registration.client_id,
                "code",
                redirect_uri=self.registration.redirect_uri,
                scope=_scope(metadata),
                state=state,
                nonce=nonce,
                code_challenge=create_s256_code_challenge(verifier),
                code_challenge_method="S256",
                prompt=_prompt(metadata, prompt),
            )
        )

    async def finish(self, query: str, *, browser: str | None) -> Arrived:
        """Who came back.

        Args:
            query: The query of the callback as it came.
            browser: The value of this browser's cookie.

        Raises:
            SignInFailed: Nobody is signed in; the message says what to do. It knows where a sign-in that this browser
                began was to lead, and of another browser's nothing.
        """
        with failures.logged():
            return await self._finished(query, browser)

    async def overtaken(self, query: str, *, before: str | None) -> str | None:
        """Where a sign-in was to lead that another tab of its browser was quicker than. It is used up with that.

        Nobody is signed in by it, so nothing of the answer is looked at but its `state`: neither who came back, nor
        whether the provider refused them.

        Args:
            query: The query of the callback as it came.
            before: See `sessions.Session.before`.

        Returns:
            None where no sign-in of this browser was under way with that cookie.
        """
        try:
            state = _read_answer(query).get("state", "")
            item = await self._item(state)
            if item is None or await self._opened(item, state, before) is None:
                return None
            return (await self._taken(state, before))["next"]
        except SignInFailed:
            return None

    async def _finished(self, query: str, browser: str | None) -> Arrived:
        answer = _read_answer(query)
        named = cookies.digest(browser) if browser is not None and cookies.is_value(browser) else None
        begun = await self._taken(answer.get("state", ""), named)
        try:
            return await self._arrived(answer, begun)
        except SignInFailed as problem:
            problem.next_path = begun["next"]
            raise

    async def _arrived(self, answer: Mapping[str, str], begun: Mapping[str, str]) -> Arrived:
        metadata = await self.discovery.metadata()
        # RFC 9207, section 2.4: before anything else of the answer is believed, its error included.
        if answer.get("iss", None if metadata.says_issuer else self.registration.issuer) != self.registration.issuer:
            raise distrusted("the answer is another issuer's")
        if "error" in answer:
            raise _refused(self.name, answer["error"])
        code = answer.get("code", "")
        if not 0 < len(code) <= MAX_CODE:
            raise distrusted("the answer holds no code")
        tokens = await self._redeemed(metadata, code, begun["verifier"])
        claims = await self._claims(metadata, tokens.get("id_token"), begun["nonce"])
        address = claims if "email" in claims else await self._userinfo(metadata, tokens, claims["sub"])
        return arrived_from(claims, address, groups_claim=self.registration.groups_claim, next_path=begun["next"])

    async def _taken(self, state: str, browser: str | None) -> Mapping[str, str]:
        """What `begin` noted, once; `browser` is the digest of its cookie.

        Another browser does not learn it, and uses it up: somebody was sent to a log-in that somebody else has begun,
        and whoever gets to see the address of the answer could bring it back where that was (RFC 9700, section 4.5).
        """
        item = await self._item(state)
        if item is None:
            raise SignInFailed(
                "This sign-in has expired, or was finished already. Start again.", reason="sign_in_unknown"
            )
        plain = await self._opened(item, state, browser)
        try:
            await self.table.delete(item.key, when=Unchanged(item.version))
        except Conflict:
            raise SignInFailed("This sign-in was finished already. Start again.", reason="sign_in_unknown") from None
        if plain is None:
            raise SignInFailed(
                "This sign-in was begun in another browser, or before somebody signed out of this one. Start again.",
                reason="sign_in_of_another_browser",
            )
        begun: Mapping[str, str] = json.loads(plain)
        return begun

    async def _item(self, state: str) -> Item | None:
        """What is kept of a sign-in under way."""
        return await self.table.get(keys.sign_in(cookies.digest(state))) if _STATE.fullmatch(state) else None

    async def _opened(self, item: Item, state: str, browser: str | None) -> bytes | None:
        """What stands in there, for the browser that has begun it alone."""
        sealed = b64decode(item.data["sealed"])
        return None if browser is None else await self.keyring.open(sealed, context=_context(state, browser))

    async def _redeemed(self, metadata: Metadata, code: str, verifier: str) -> Mapping[str, Any]:
        """The tokens for a code (RFC 6749, section 4.1.3; RFC 7636, section 4.5)."""
        registration = self.registration
        form: str = prepare_token_request(
            "authorization_code", redirect_uri=registration.redirect_uri, code=code, code_verifier=verifier
        )
        secret = await registration.secret()
        if secret is None:
            return await self._tokens(metadata, f"{form}&client_id={quote_plus(registration.client_id)}", {})
        # RFC 6749, section 2.3.1: both are form-encoded, in the header too.
        name, word = quote_plus(registration.client_id), quote_plus(secret)
        if "client_secret_basic" in metadata.auth_methods:
            basic = base64.b64encode(f"{name}:{word}".encode()).decode()
            return await self._tokens(metadata, form, {"authorization": f"Basic {basic}"})
        if "client_secret_post" in metadata.auth_methods:
            return await self._tokens(metadata, f"{form}&client_id={name}&client_secret={word}", {})
        raise unusable("discovery", "it takes no client secret, neither in the header nor in the form")

    async def _tokens(self, metadata: Metadata, form: str, headers: Mapping[str, str]) -> Mapping[str, Any]:
        return await self.asking.post(metadata.token_endpoint, form, what="token", headers=headers)

    async def _claims(self, metadata: Metadata, token: Any, nonce: str) -> Mapping[str, Any]:
        signed = read_signed(token) if isinstance(token, str) else "no token"
        if isinstance(signed, str):
            raise distrusted(signed)
        key = await self.signing_keys.find(metadata.jwks_uri, alg=signed.alg, kid=signed.kid)
        expected = Expected(self.registration.issuer, self.registration.client_id, nonce, self.clock())
        claims = claims_of(token, key, expected)
        if isinstance(claims, str):
            raise distrusted(claims)
        return claims

    async def _userinfo(self, metadata: Metadata, tokens: Mapping[str, Any], subject: str) -> Mapping[str, Any]:
        """The claims of the userinfo endpoint (section 5.3), where the ID token names no address."""
        bearer = tokens.get("access_token")
        if metadata.userinfo_endpoint is None or not isinstance(bearer, str):
            return {}
        try:
            claims = await self.asking.get(metadata.userinfo_endpoint, what="userinfo", bearer=bearer)
        except SignInFailed:
            # Who is known by their subject needs no address.
            return {}
        if claims.get("sub") != subject:
            raise distrusted("userinfo is another person's")
        return claims


def _context(state: str, browser: str) -> str:
    return f"sign-in/{cookies.digest(state)}/{browser}"


def _scope(metadata: Metadata) -> str:
    """`groups` only where it exists: Okta gives groups for it, others refuse a scope that they do not know."""
    return " ".join(["openid", "email", "profile", *(["groups"] if "groups" in metadata.scopes else [])])


def _prompt(metadata: Metadata, wanted: Prompt | None) -> str | None:
    """What is sent for `wanted`: to a provider that says it does not take that, the wish for a new sign-in."""
    taken = (wanted, "login") if wanted is not None else ()
    return next((value for value in taken if not metadata.prompts or value in metadata.prompts), None)


def _read_answer(query: str) -> Mapping[str, str]:
    """The parameters of the callback; none may come twice (RFC 6749, section 3.1)."""
    try:
        pairs = parse_qsl(query[:MAX_ANSWER], keep_blank_values=True, max_num_fields=50)
    except ValueError:
        raise distrusted("an answer that cannot be read") from None
    answer = dict(pairs)
    if len(query) > MAX_ANSWER or len(answer) < len(pairs):
        raise distrusted("an answer that cannot be read")
    return answer


def _refused(name: str, error: str) -> SignInFailed:
    told = error if _ERROR.fullmatch(error) else "an unknown error"
    logger.warning("identity_provider_refused", extra={"fields": {"error": told}})
    return SignInFailed(
        f"{name} did not sign you in ({told}). Start again, or ask whoever runs it why.",
        reason="identity_provider_refused",
    )
