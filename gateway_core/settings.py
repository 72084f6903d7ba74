"""Settings, and the only reader of the environment."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway_core.errors import Invalid

DEFAULT_PORT: Final = 8787
_ORIGIN: Final = re.compile(r"(https?)://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?/?")
"""Scheme, host and port. No path: cookies, and what clients derive from a URL, are of the whole origin."""
LOOPBACK_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""Hosts that a request reaches without leaving the machine, so that http will do."""
_WEB_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://[A-Za-z0-9._:\[\]-]+")
"""Pages of extensions and editors have schemes of their own: vscode-webview://…"""
_ISSUER: Final = re.compile(r"https?://[A-Za-z0-9._:\[\]-]+(?:/[A-Za-z0-9._~/-]*)?")
_DOCUMENT: Final = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
"""What can be a client id (draft-ietf-oauth-client-id-metadata-document-00, section 3), but for what nobody writes."""
LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")
MAX_BODY_BYTES: Final = 4 * 1024 * 1024
"""The most that BODY_LIMIT may allow: API Gateway carries 10 MB, a Lambda event 6 MB after base64."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator decides. Every field has one environment variable of the same name in capitals."""

    public_url: str
    """Origin under which clients reach the gateway, without a trailing slash; never taken from a request. Empty on AWS
    until `settings_parameter` has been read. With http only on loopback."""
    port: int = DEFAULT_PORT
    gatehouse_data: Path = Path(".gatehouse")
    """Folder of the local run: database, key file, administrator's key."""
    egress_allow: tuple[str, ...] = ()
    """Private networks (CIDR) that upstreams may live in, besides public addresses."""
    egress_ports: tuple[int, ...] = (443, 8443)
    allowed_origins: tuple[str, ...] = ()
    """Origins of web pages that may call the gateway, besides its own; "*" for any."""
    body_limit: int = 1024 * 1024
    """Largest request body in bytes."""
    listen_s: int = 300
    """Longest life in seconds of a GET stream or a subscription; the client opens it again. 0 offers none."""
    ask_s: int = 300
    """Longest wait in seconds for the answer of a person or model whom a server asks in mid-call. 0: nobody is asked
    where the gateway would have to wait for the answer; what passes as it is is asked all the same."""
    client_metadata_url: str = ""
    """Where authorization servers of upstreams read who the gateway is. Empty: at `PUBLIC_URL`, where that is https;
    "none": nowhere."""
    oidc_issuer: str = ""
    """Identity provider that people sign in with (OpenID Connect). Empty: the built-in sign-in of one machine."""
    oidc_client_id: str = ""
    oidc_client_secret: str = field(default="", repr=False)
    """On AWS it is in Secrets Manager instead."""
    oidc_groups_claim: str = "groups"
    """Claim of the ID token that lists a person's groups."""
    log_level: str = "INFO"
    registry_table: str = ""
    grants_table: str = ""
    secrets_prefix: str = "gatehouse/"
    """Names in Secrets Manager start with this."""
    kms_key_id: str = ""
    """KMS key that encrypts what is put into Secrets Manager, and wraps the keys of connected accounts."""
    settings_parameter: str = ""
    """SSM parameter with more settings, which the stack knew only after it had made its functions. Empty: none."""
    aws_region: str = ""
    aws_endpoint_url: str = ""
    """Where AWS services answer instead of their public addresses: tests, VPC endpoints."""

    @property
    def local(self) -> bool:
        """True on one machine: embedded storage, loopback upstreams allowed over plain http."""
        return not self.registry_table


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from environment variables.

    Raises:
        Invalid: A value cannot be used; the message names the variable and what it takes.
    """
    env = os.environ if environment is None else environment
    port = _integer(env, "PORT", DEFAULT_PORT, low=1, high=65535)
    return Settings(
        public_url=_public_url(env, "" if env.get("REGISTRY_TABLE") else f"http://127.0.0.1:{port}"),
        port=port,
        gatehouse_data=Path(env.get("GATEHOUSE_DATA") or ".gatehouse"),
        egress_allow=_words(env, "EGRESS_ALLOW"),
        egress_ports=tuple(_integer({"EGRESS_PORTS": word}, "EGRESS_PORTS", 0, low=1, high=65535)
                           for word in _words(env, "EGRESS_PORTS")) or (443, 8443),
        allowed_origins=_origins(env),
        body_limit=_integer(env, "BODY_LIMIT", 1024 * 1024, low=1024, high=MAX_BODY_BYTES),
        listen_s=_integer(env, "LISTEN_S", 300, low=0, high=840),
        ask_s=_integer(env, "ASK_S", 300, low=0, high=840),
        client_metadata_url=_document_url(env),
        **_sign_in(env),
        log_level=_choice(env, "LOG_LEVEL", "INFO", LOG_LEVELS),
        registry_table=env.get("REGISTRY_TABLE", ""),
        grants_table=env.get("GRANTS_TABLE", ""),
        secrets_prefix=env.get("SECRETS_PREFIX") or "gatehouse/",
        kms_key_id=env.get("KMS_KEY_ID", ""),
        settings_parameter=env.get("SETTINGS_PARAMETER", ""),
        aws_region=env.get("AWS_REGION", ""),
        aws_endpoint_url=env.get("AWS_ENDPOINT_URL", ""),
    )  # fmt: skip


def _sign_in(env: Mapping[str, str]) -> dict[str, str]:
    issuer, client_id = env.get("OIDC_ISSUER", ""), env.get("OIDC_CLIENT_ID", "")
    if issuer and _ISSUER.fullmatch(issuer) is None:
        raise Invalid(f"OIDC_ISSUER={issuer!r}: give the issuer's URL exactly as its metadata spells it.")
    if bool(issuer) != bool(client_id):
        raise Invalid("OIDC_ISSUER and OIDC_CLIENT_ID belong together: set both, or neither.")
    return {
        "oidc_issuer": issuer,
        "oidc_client_id": client_id,
        "oidc_client_secret": env.get("OIDC_CLIENT_SECRET", ""),
        "oidc_groups_claim": env.get("OIDC_GROUPS_CLAIM") or "groups",
    }


def _public_url(env: Mapping[str, str], default: str) -> str:
    text = env.get("PUBLIC_URL", "")
    if not text:
        return default
    origin = _ORIGIN.fullmatch(text)
    if origin is None:
        raise Invalid(
            f"PUBLIC_URL={text!r}: give the URL that clients use, like https://mcp.example.com, without a path."
        )
    if origin[1] == "http" and origin[2].lower() not in LOOPBACK_HOSTS:
        raise Invalid(f"PUBLIC_URL={text!r}: http is for this machine alone (127.0.0.1, localhost, [::1]); else https.")
    return text.removesuffix("/")


def _document_url(env: Mapping[str, str]) -> str:
    text = env.get("CLIENT_METADATA_URL", "")
    if text in ("", "none") or _DOCUMENT.fullmatch(text):
        return text
    raise Invalid(
        f"CLIENT_METADATA_URL={text!r}: give the https URL, with a path, under which authorization servers can read "
        'PUBLIC_URL/oauth/client-metadata.json; or "none".'
    )


def _origins(env: Mapping[str, str]) -> tuple[str, ...]:
    origins = _words(env, "ALLOWED_ORIGINS")
    for origin in origins:
        if origin != "*" and _WEB_ORIGIN.fullmatch(origin) is None:
            raise Invalid(f"ALLOWED_ORIGINS={origin!r}: give web origins, like https://app.example.com, or *.")
    return origins


def _choice(env: Mapping[str, str], name: str, default: str, choices: tuple[str, ...]) -> str:
    text = (env.get(name) or default).upper()
    if text not in choices:
        raise Invalid(f"{name}={text!r}: give one of {', '.join(choices)}.")
    return text


def _words(env: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(env.get(name, "").replace(",", " ").split())


def _integer(env: Mapping[str, str], name: str, default: int, *, low: int, high: int) -> int:
    text = env.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise Invalid(f"{name}={text!r}: give a whole number from {low} to {high}.")
    return int(text)


def config_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Where the command line keeps what is the user's own (XDG Base Directory Specification)."""
    env = os.environ if environment is None else environment
    named = Path(env.get("XDG_CONFIG_HOME", ""))
    # The specification: a relative path there is to be ignored.
    return (named if named.is_absolute() else Path(env.get("HOME") or "~").expanduser() / ".config") / "gatehouse"


def platform_environment() -> Mapping[str, str]:
    """What the Lambda platform says: credentials and the addresses of its own endpoints. Live: both may change."""
    return os.environ
