"""What a token of another issuer has to say once it is proved to be the issuer's. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway_core.access.patterns import read_pattern
from gateway_core.registry.jwt_validation import ClaimRule, JwtValidation

MAX_SUBJECT: Final = 255
"""Characters of a subject (OpenID Connect Core 1.0, section 2)."""
MAX_VALUES: Final = 1_000
"""Values of one claim that are looked at."""
MAX_COMPARED: Final = 20
"""Values of one claim that patterns are tried on: each takes its time."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why claims are not enough: a fixed word, and a sentence for whoever has the token."""

    reason: str
    text: str


def claims_problem(claims: Mapping[str, Any], validation: JwtValidation, now: int) -> Problem | None:
    """Why these claims are not enough, or None."""
    return (
        _origin_problem(claims, validation)
        or _time_problem(claims, validation, now)
        or _subject_problem(claims, validation)
        or _missing(claims, validation)
        or _wrong_value(claims, validation)
    )


def client_of(claims: Mapping[str, Any]) -> str:
    """What the issuer calls the client that a token was made for (RFC 9068, section 2.2; Okta; OpenID Connect)."""
    names = (claims.get(name) for name in ("client_id", "cid", "azp"))
    found = next((name for name in names if isinstance(name, str) and name.isprintable()), "")
    return found[:64]


def _origin_problem(claims: Mapping[str, Any], validation: JwtValidation) -> Problem | None:
    if claims.get("iss") != validation.issuer:
        return Problem("jwt_issuer", "This token is of another issuer than the one that is believed here.")
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if not any(isinstance(each, str) and each in validation.audience for each in named[:MAX_VALUES]):
        return Problem("jwt_audience", "This token was made for another audience than this gateway.")
    return None


def _time_problem(claims: Mapping[str, Any], validation: JwtValidation, now: int) -> Problem | None:
    if "exp" not in claims:
        return Problem("jwt_without_end", "This token never expires (it has no exp); such tokens are not taken.")
    expires, since, made = _time(claims["exp"]), _time(claims.get("nbf", 0)), _time(claims.get("iat", 0))
    unreadable = validation.max_age_s is not None and "iat" not in claims
    if expires is None or since is None or made is None or unreadable:
        return Problem("jwt_times", "This token's times (exp, nbf, iat) cannot be read, or one of them is missing.")
    earliest, latest = now - validation.clock_tolerance_s, now + validation.clock_tolerance_s
    if expires <= earliest:
        return Problem("jwt_expired", "This token has expired. Get a new one from where it came.")
    if since > latest or made > latest:
        return Problem("jwt_not_yet", "This token is not valid yet: its issuer's clock and the gateway's differ.")
    if validation.max_age_s is not None and made < earliest - validation.max_age_s:
        told = f"This token was made more than {validation.max_age_s} seconds ago. Get a new one."
        return Problem("jwt_too_old", told)
    return None


def _time(value: Any) -> float | None:
    """A NumericDate (RFC 7519, section 2), or None. `true` is an int to Python, and NaN is before and after nothing."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if 0 <= value < 2**53 else None


def _subject_problem(claims: Mapping[str, Any], validation: JwtValidation) -> Problem | None:
    subject = claims.get(validation.subject_claim)
    if isinstance(subject, str) and 0 < len(subject) <= MAX_SUBJECT and subject.isprintable():
        return None
    return Problem("jwt_subject", f"This token does not say whose it is: it has no usable {validation.subject_claim}.")


def _missing(claims: Mapping[str, Any], validation: JwtValidation) -> Problem | None:
    missing = [name for name in validation.required_claims if claims.get(name) is None]
    if not missing:
        return None
    return Problem("jwt_claims", f"This token lacks claims that are asked for here: {', '.join(missing)}.")


def _wrong_value(claims: Mapping[str, Any], validation: JwtValidation) -> Problem | None:
    for rule in validation.claim_rules:
        if not _holds(rule, claims.get(rule.claim)):
            return Problem(
                "jwt_claims",
                f"The claim {rule.claim} of this token does not have a value that is asked for here. "
                "Ask an administrator of this gateway which ones have access.",
            )
    return None


def _holds(rule: ClaimRule, value: Any) -> bool:
    if rule.match == "exact":
        text = _text(value)
        return text is not None and text in rule.values
    if rule.match == "regex":
        patterns = [read_pattern(pattern) for pattern in rule.values]
        entries = value if isinstance(value, list) else [value]
        texts = [text for entry in entries[:MAX_COMPARED] if (text := _text(entry)) is not None]
        return any(pattern.matches(text) for pattern in patterns for text in texts)
    entries = value if isinstance(value, list) else (_text(value) or "").split(" ")
    there = {text for entry in entries[:MAX_VALUES] if (text := _text(entry))}
    wanted = set(rule.values)
    return bool(wanted & there) if rule.match == "contains" else wanted <= there


def _text(value: Any) -> str | None:
    """A single value as it is written in a configuration file, or None for what is no single value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else value if isinstance(value, str) else None
