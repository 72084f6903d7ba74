"""Tokens of other issuers: which are believed, as the registry holds it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, assert_never

AUTHORIZATION: Final = "authorization"
DEFAULT_TOLERANCE_S: Final = 5
Match = Literal["exact", "contains", "containsAll", "regex"]


class ClaimRule(NamedTuple):
    """What the values of one claim have to be.

    `exact`: the one value is among `values`. `contains`: one of the claim's values is among them; `containsAll`: every
    one of them is among the claim's. `regex`: one of the claim's values matches one of them as a whole
    (`access.patterns`). The values of a claim are the entries of a list, or the words of a text.
    """

    claim: str
    match: Match
    values: tuple[str, ...]


class KeySetUrl(NamedTuple):
    """The issuer's keys are at a URL (RFC 7517, section 5)."""

    url: str


class InlineKeys(NamedTuple):
    """The issuer's keys are these: a key set as JSON."""

    jwks: str


class Introspection(NamedTuple):
    """The issuer is asked about each token (RFC 7662)."""

    endpoint: str
    client_id: str
    secret: str
    """Name of the secret that proves to the issuer who asks."""


Vouching = KeySetUrl | InlineKeys | Introspection
"""How a token is proved to be the issuer's."""


@dataclass(frozen=True, slots=True)
class JwtValidation:
    """Whose tokens are believed, and what they have to say."""

    issuer: str
    vouching: Vouching
    audience: tuple[str, ...]
    """One of these."""
    algorithms: tuple[str, ...] = ("RS256",)
    required_claims: tuple[str, ...] = ()
    claim_rules: tuple[ClaimRule, ...] = ()
    clock_tolerance_s: int = DEFAULT_TOLERANCE_S
    max_age_s: int | None = None
    """How long ago a token may have been made, whenever it expires."""
    header: str = AUTHORIZATION
    """Header that holds the token, in lower case; in `authorization` with the word Bearer."""
    subject_claim: str = "sub"
    """Claim that says who it is, always the same for the same person or program."""


def to_data(validation: JwtValidation) -> dict[str, Any]:
    """The validation as a JSON object for the store."""
    return {
        "issuer": validation.issuer,
        "vouching": _vouching_to_data(validation.vouching),
        "audience": list(validation.audience),
        "algorithms": list(validation.algorithms),
        "required_claims": list(validation.required_claims),
        "claim_rules": [[rule.claim, rule.match, list(rule.values)] for rule in validation.claim_rules],
        "clock_tolerance_s": validation.clock_tolerance_s,
        "max_age_s": validation.max_age_s,
        "header": validation.header,
        "subject_claim": validation.subject_claim,
    }


def from_data(data: Mapping[str, Any]) -> JwtValidation:
    """The validation that `to_data` wrote."""
    return JwtValidation(
        issuer=data["issuer"],
        vouching=_vouching_from_data(data["vouching"]),
        audience=tuple(data["audience"]),
        algorithms=tuple(data["algorithms"]),
        required_claims=tuple(data["required_claims"]),
        claim_rules=tuple(ClaimRule(claim, match, tuple(values)) for claim, match, values in data["claim_rules"]),
        clock_tolerance_s=data["clock_tolerance_s"],
        max_age_s=data["max_age_s"],
        header=data["header"],
        subject_claim=data["subject_claim"],
    )


def _vouching_to_data(vouching: Vouching) -> dict[str, Any]:
    match vouching:
        case KeySetUrl(url):
            return {"type": "jwks_uri", "url": url}
        case InlineKeys(jwks):
            return {"type": "jwks", "jwks": jwks}
        case Introspection(endpoint, client_id, secret):
            return {"type": "introspection", "endpoint": endpoint, "client_id": client_id, "secret": secret}
    assert_never(vouching)


def _vouching_from_data(data: Mapping[str, Any]) -> Vouching:
    if data["type"] == "jwks_uri":
        return KeySetUrl(data["url"])
    if data["type"] == "jwks":
        return InlineKeys(data["jwks"])
    return Introspection(data["endpoint"], data["client_id"], data["secret"])
