"""A scenario as the suite hands it out, and the server entry that it becomes in the gateway.

Pure: what the suite says about its server is all that a gateway's administrator would know.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One of the suite's servers, and what its client is given beforehand."""

    name: str
    url: str
    context: Json

    @property
    def slug(self) -> str:
        """Its name in the gateway, and that of its secret."""
        return self.name.replace("/", "-").replace("_", "-")

    @property
    def secret(self) -> str | None:
        """What the gateway shall keep for it: the client's secret or its private key."""
        value = self.context.get("client_secret") or self.context.get("private_key_pem")
        return None if value is None else str(value)

    @property
    def auth(self) -> Json:
        """`auth` of the server's entry."""
        kept = {"secret": self.slug}
        match self.context:
            case {"client_id": client_id, "private_key_pem": _}:
                return {"type": "client_credentials", "client_id": client_id, "private_key": kept}
            case {"client_id": client_id, "client_secret": _} if "client-credentials" in self.name:
                return {"type": "client_credentials", "client_id": client_id, "client_secret": kept}
            case {"client_id": client_id, "client_secret": _}:
                return {"type": "oauth", "client_id": client_id, "client_secret": kept}
        return {"type": "oauth" if self.name.startswith("auth/") else "none"}


def handed(line: str | bytes) -> Scenario:
    """What `command` tells."""
    told: Mapping[str, str] = json.loads(line)
    return Scenario(told["scenario"], told["url"], json.loads(told.get("context", "{}")))


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended for the client: `through` when everything that it wanted was done."""

    through: bool
    said: str
