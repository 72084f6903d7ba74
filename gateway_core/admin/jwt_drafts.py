"""Which tokens of other issuers are believed, as people write it: `jwt_validation` of a server or the organisation."""

import json
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from gateway_core.access.credentials import KEY_HEADERS
from gateway_core.access.jwt_keys import ALGORITHMS, fitting, read_keys
from gateway_core.access.patterns import BadPattern, read_pattern
from gateway_core.admin.draft import Draft, SecretReference
from gateway_core.egress import check_header
from gateway_core.errors import Invalid
from gateway_core.registry.forwarded import reserved
from gateway_core.registry.jwt_validation import (
    AUTHORIZATION,
    DEFAULT_TOLERANCE_S,
    ClaimRule,
    InlineKeys,
    Introspection,
    JwtValidation,
    KeySetUrl,
    Match,
    Vouching,
)

MAX_JWKS: Final = 32 * 1024
"""Characters of keys that stand in the configuration."""
MAX_PATTERNS: Final = 5
"""Patterns of one claim: each is tried at every call."""
PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
"""Members of keys that nobody but the issuer may have (RFC 7518, section 6)."""


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _algorithm(name: str) -> str:
    if name not in ALGORITHMS:
        raise ValueError(f"{name[:20]!r} is not offered: use {', '.join(ALGORITHMS)}")
    return name


def _header(name: str) -> str:
    lower = name.lower()
    try:
        check_header(lower, "")
    except Invalid as problem:
        raise ValueError(problem.message) from None
    if lower != AUTHORIZATION and (reserved(lower) is not None or lower in KEY_HEADERS):
        raise ValueError(f"{name} holds something else already; use Authorization or a header of its own")
    return lower


def _public(jwks: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(jwks)) > MAX_JWKS:
        raise ValueError(f"a key set has at most {MAX_JWKS >> 10} KB; use jwks_uri for larger ones")
    keys = jwks.get("keys")
    entries = keys if isinstance(keys, list) else []
    if not entries:
        raise ValueError("a key set is written {keys: […]} (RFC 7517)")
    if any(isinstance(key, dict) and PRIVATE & key.keys() for key in entries):
        raise ValueError("this holds a private key: whoever reads it signs tokens. Write the public key alone")
    return jwks


Text = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[\x21-\x7e]+$")]
ClaimName = Annotated[str, Field(min_length=1, max_length=200)]
Value = Annotated[str, Field(min_length=1, max_length=512)]
Url = Annotated[str, Field(min_length=1, max_length=2048)]


class ClaimValueDraft(Draft):
    """`{match: contains, values: [eng]}`, or `value` for a single one. See `registry.jwt_validation.ClaimRule`."""

    match: Match = "exact"
    value: Value | None = None
    values: Annotated[list[Value], Field(min_length=1, max_length=50)] | None = None

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if (self.value is None) == (self.values is None):
            raise ValueError("write one of value and values")
        if self.match == "regex":
            if len(self.all_values) > MAX_PATTERNS:
                raise ValueError(f"a claim has at most {MAX_PATTERNS} patterns")
            for pattern in self.all_values:
                try:
                    read_pattern(pattern)
                except BadPattern as problem:
                    raise ValueError(f"the pattern {pattern[:80]!r} cannot be used: {problem}") from None
        return self

    @property
    def all_values(self) -> tuple[str, ...]:
        """Its values, however they were written."""
        return tuple(self.values or ()) if self.value is None else (self.value,)


class IntrospectionDraft(Draft):
    """The issuer is asked about each token (RFC 7662)."""

    endpoint: Url
    client_id: Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[\x20-\x7e]+$")]
    client_secret: SecretReference


class JwtValidationDraft(Draft):
    """Whose tokens are believed, and what they have to say; becomes a `registry.jwt_validation.JwtValidation`."""

    issuer: Text
    jwks_uri: Url | None = None
    jwks: Annotated[dict[str, Any], AfterValidator(_public)] | None = None
    introspection: IntrospectionDraft | None = None
    audience: Annotated[list[Text], Field(min_length=1, max_length=20), BeforeValidator(_listed)]
    algorithms: Annotated[
        list[Annotated[str, AfterValidator(_algorithm)]], Field(min_length=1, max_length=len(ALGORITHMS))
    ] = ["RS256"]  # noqa: RUF012 - pydantic copies it
    required_claims: Annotated[list[ClaimName], Field(max_length=50)] = []  # noqa: RUF012 - the same
    claim_values: Annotated[dict[ClaimName, ClaimValueDraft], Field(max_length=20)] = {}  # noqa: RUF012 - the same
    clock_tolerance_s: Annotated[int, Field(ge=0, le=300)] = DEFAULT_TOLERANCE_S
    max_age_s: Annotated[int, Field(ge=1, le=366 * 86_400)] | None = None
    header: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_header)] = AUTHORIZATION
    subject_claim: ClaimName = "sub"

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        ways = [way for way in (self.jwks_uri, self.jwks, self.introspection) if way is not None]
        if len(ways) != 1:
            raise ValueError("write one of jwks_uri, jwks and introspection")
        if self.jwks is not None:
            keys = read_keys(self.jwks["keys"])
            if not any(fitting(keys, alg=alg, kid=None) for alg in self.algorithms):
                raise ValueError(f"jwks has no key for {', '.join(self.algorithms)} that can be used")
        return self

    def urls(self) -> Iterator[tuple[tuple[str, ...], str]]:
        """What the gateway will call, and where it is written."""
        if self.jwks_uri is not None:
            yield ("jwks_uri",), self.jwks_uri
        if self.introspection is not None:
            yield ("introspection", "endpoint"), self.introspection.endpoint

    def validation(self) -> JwtValidation:
        """As it is kept."""
        return JwtValidation(
            issuer=self.issuer,
            vouching=self._vouching(),
            audience=tuple(self.audience),
            algorithms=tuple(self.algorithms),
            required_claims=tuple(self.required_claims),
            claim_rules=tuple(
                ClaimRule(claim, rule.match, rule.all_values) for claim, rule in sorted(self.claim_values.items())
            ),
            clock_tolerance_s=self.clock_tolerance_s,
            max_age_s=self.max_age_s,
            header=self.header,
            subject_claim=self.subject_claim,
        )

    def _vouching(self) -> Vouching:
        if self.introspection is not None:
            asked = self.introspection
            return Introspection(asked.endpoint, asked.client_id, asked.client_secret.secret)
        if self.jwks is not None:
            return InlineKeys(json.dumps(self.jwks, sort_keys=True, separators=(",", ":")))
        return KeySetUrl(self.jwks_uri or "")


Unset = Literal["none"]
"""What the organisation's is set to, to believe no token of others any more."""
