"""A gateway's authorization server, as the command line uses it: the client `gatehouse-cli`."""

import base64
import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from gateway_core.cli.answers import read_answer, sendable
from gateway_core.cli.asking import ask, direct
from gateway_core.cli.credentials import Login
from gateway_core.cli.failing import CommandFailed

CLIENT_ID: Final = "gatehouse-cli"


class LoginEnded(CommandFailed):
    """The refresh token is good no more: revoked, expired, or of a member who was removed."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What ties an answer to the request that one command made (RFC 7636; RFC 6749, section 10.12)."""

    state: str
    verifier: str

    @classmethod
    def new(cls) -> "Proof":
        """Random ones."""
        return cls(secrets.token_urlsafe(32), secrets.token_urlsafe(32))

    @property
    def challenge(self) -> str:
        """PKCE's S256 of the verifier."""
        return base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass(frozen=True, slots=True)
class AuthorizationServer:
    """One gateway's."""

    url: str
    """The issuer: the gateway's PUBLIC_URL."""
    authorize: str
    token: str
    revoke: str

    @property
    def resource(self) -> str:
        """The admin API: what the tokens are for."""
        return f"{self.url}/api/v1"

    def authorization_url(self, proof: Proof, redirect_uri: str) -> str:
        """Where the browser goes."""
        asked = {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": redirect_uri,
            "scope": "admin",
            "state": proof.state,
            "code_challenge": proof.challenge,
            "code_challenge_method": "S256",
            "resource": self.resource,
        }
        return f"{self.authorize}?{urlencode(asked)}"

    def redeem(self, code: str, proof: Proof, redirect_uri: str) -> Login:
        """The login that an authorization code is worth.

        Raises:
            CommandFailed: It is worth none.
        """
        fields = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri,
                  "code_verifier": proof.verifier}  # fmt: skip
        return self._login("", fields)

    def refresh(self, login: Login) -> Login:
        """The same login with new tokens; the ones before are spent.

        Raises:
            LoginEnded: There are none any more.
            CommandFailed: The gateway did not say.
        """
        return self._login(login.name, {"grant_type": "refresh_token", "refresh_token": login.refresh_token})

    def end(self, login: Login) -> None:
        """Revoke a login.

        Raises:
            CommandFailed: The gateway did not answer.
        """
        _ask("POST", self.revoke, {"client_id": CLIENT_ID, "token": login.refresh_token})

    def _login(self, name: str, fields: dict[str, str]) -> Login:
        asked_at = int(time.time())
        answer = _ask("POST", self.token, {**fields, "client_id": CLIENT_ID, "resource": self.resource})
        try:
            until = asked_at + int(answer["expires_in"])
            login = Login(name, str(answer["access_token"]), str(answer["refresh_token"]), until)
        except (KeyError, TypeError, ValueError, OverflowError):
            login = None
        if login is None or not login.usable:
            raise CommandFailed(f"{self.token} gave no tokens: is this URL a Gatehouse gateway?")
        return login


def find(url: str) -> AuthorizationServer:
    """The authorization server of the gateway at `url` (RFC 8414).

    Raises:
        CommandFailed: There is none, it goes by another name, or the way to it is open to others.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and direct(url)):
        raise CommandFailed(f"Logging in takes https, save on this machine: {url} would send tokens in the open.")
    place = f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{parts.path}"
    told = _ask("GET", place)
    issuer = str(told.get("issuer"))
    if issuer != url:
        raise CommandFailed(f"The gateway at {url} goes by another name. Log in there: gatehouse login --url {issuer}")
    names = ("authorization_endpoint", "token_endpoint", "revocation_endpoint")
    endpoints = [str(told.get(name)) for name in names]
    # Exactly like one of ours: it is printed, and opened with parameters behind it.
    if not all(each.startswith(f"{url}/") and sendable(each) and not {"?", "#"} & {*each} for each in endpoints):
        raise CommandFailed(f"{place} names endpoints elsewhere: is this URL a Gatehouse gateway?")
    return AuthorizationServer(issuer, *endpoints)


def _ask(method: str, url: str, form: dict[str, str] | None = None) -> dict[str, Any]:
    answer = ask(method, url, data=form)
    if answer.status == 200 and not answer.body:
        return {}
    try:
        value = read_answer(answer.body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise CommandFailed(f"{url} answered HTTP {answer.status} and no JSON: is this a Gatehouse gateway?")
    if answer.status == 200:
        return value
    told = str(value.get("error_description") or value.get("detail") or value.get("error") or answer.status)
    raise (LoginEnded if value.get("error") == "invalid_grant" else CommandFailed)(told)
