"""Fields of a server that hold a URL, each as it is written in a configuration: `SAVED`."""

from collections.abc import Callable, Mapping
from typing import Final

from tests.flows.doors import BELIEVED
from tests.flows.houses import IDP
from tests.flows.upstreams import Json

_US: Final[Json] = {"client_id": "us", "client_secret": {"secret": "ask"}}
SAVED: Final[Mapping[str, Callable[[str], Json]]] = {
    "url": lambda url: {"url": url},
    "jwt_validation.jwks_uri": lambda url: {"jwt_validation": {**BELIEVED, "jwks_uri": url}},
    "jwt_validation.introspection.endpoint": lambda url: {
        "jwt_validation": {**BELIEVED, "introspection": {"endpoint": url, **_US}}
    },
    "auth.issuer": lambda url: {"auth": {"type": "oauth", "issuer": url}},
    "auth.authorization_endpoint": lambda url: {
        "auth": {"type": "oauth", "issuer": IDP, "authorization_endpoint": url}
    },
    "auth.token_endpoint": lambda url: {"auth": {"type": "client_credentials", **_US, "token_endpoint": url}},
    "auth.revocation_endpoint": lambda url: {"auth": {"type": "oauth", "revocation_endpoint": url}},
}
