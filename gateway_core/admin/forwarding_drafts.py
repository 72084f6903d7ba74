"""What goes on to an upstream besides its credential, as people write it: `headers`, `forward_headers`, `identity`."""

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from gateway_core.admin.draft import Draft, Problem, agreed
from gateway_core.egress import check_header
from gateway_core.errors import Invalid
from gateway_core.protocol import header_values
from gateway_core.registry.forwarded import (
    CLAIMS,
    USUAL_HEADERS,
    HeaderForwarding,
    IdentityForwarding,
    reserved,
    unpassable,
    withheld,
)
from gateway_core.registry.upstream_auth import MAX_HEADER_VALUE, UpstreamAuth, headers_of, type_of

MAX_HEADERS: Final = 20
"""Headers that one setting adds. With the largest values they would be more than servers read."""
MAX_RULES: Final = 50
"""Headers that are named for passing on; each is looked for at every call."""
_BEARER_HEADER: Final = "authorization"
_SECRET_NAME: Final = re.compile(
    r"(?:^|[-_])(?:auth|authorization|(?:api|access)?-?(?:key|token)|secret|password|credentials?)(?:$|[-_])",
    re.IGNORECASE,
)
"""Headers whose values belong into the secret store and not into a file or the registry."""


def holds_secret(name: str) -> bool:
    """True for a header whose name says that its value is a secret."""
    return _SECRET_NAME.search(name) is not None


def name_problems(names: Iterable[str]) -> Iterator[Problem]:
    """What is wrong with the names of headers that a setting adds, each beside its name."""
    seen: set[str] = set()
    for name in names:
        why = reserved(name)
        if name.lower() in seen:
            yield (name,), f"{name} appears twice (header names do not differ by case)"
        elif (unreadable := _no_name(name)) is not None:
            yield (name,), unreadable
        elif why is not None:
            yield (name,), f"{name} cannot be set: {why}"
        seen.add(name.lower())


def _no_name(name: str) -> str | None:
    try:
        check_header(name, "")
    except Invalid as problem:
        return problem.message
    return None


def _sendable(text: str) -> str:
    if not header_values.sendable(text):
        raise ValueError("a header value is visible ASCII in one line, without spaces at its ends")
    return text


HeaderText = Annotated[str, Field(max_length=MAX_HEADER_VALUE), AfterValidator(_sendable)]


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return value
    raise ValueError(f"a plain value stands here; {_SECRETS_GO}")


_SECRETS_GO: Final = "a secret is written as auth: {type: headers, headers: {NAME: {secret: NAME}}}"


def _plain_names(headers: dict[str, str]) -> dict[str, str]:
    problems = list(name_problems(headers))
    for name in headers:
        why = withheld(name)
        if holds_secret(name):
            problems.append(((name,), f"the value of {name} is a secret, and here stand plain ones; {_SECRETS_GO}"))
        elif why is not None and reserved(name) is None:
            problems.append(((name,), f"{name} cannot be set here: {why}"))
    return agreed(headers, problems)


PlainHeaders = Annotated[
    dict[str, Annotated[HeaderText, BeforeValidator(_plain)]],
    Field(max_length=MAX_HEADERS),
    AfterValidator(_plain_names),
]
"""`{X-Env: prod}`."""


def _passed_name(name: str) -> str:
    unreadable = _no_name(name.lower())
    if unreadable is not None:
        raise ValueError(unreadable)
    return name.lower()


PassedName = Annotated[str, AfterValidator(_passed_name)]


def _rule(written: Any) -> Any:
    return {"from": written} if isinstance(written, str) else written


class RuleDraft(Draft):
    """`x-team`, or `{from: x-team, to: x-group}`."""

    comes_as: PassedName = Field(alias="from")
    goes_as: PassedName | None = Field(default=None, alias="to")

    @property
    def names(self) -> tuple[str, str]:
        """As it comes in and as it goes out."""
        return self.comes_as, self.goes_as or self.comes_as


class ForwardingDraft(Draft):
    """Which headers of a caller are passed on; becomes a `HeaderForwarding`. A list alone is an allow-list."""

    mode: Literal["allowlist", "all-except"] = "allowlist"
    headers: Annotated[list[Annotated[RuleDraft, BeforeValidator(_rule)]], Field(max_length=MAX_RULES)]

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        return agreed(self, [*self._repeated(), *(self._renamed() if self.mode == "all-except" else self._unpassed())])

    def _repeated(self) -> Iterator[Problem]:
        goes = [rule.names[1] for rule in self.headers]
        for place, name in enumerate(goes):
            if name in goes[:place]:
                yield ("headers", place), f"two entries end as {name}: leave one of them out"

    def _unpassed(self) -> Iterator[Problem]:
        if not self.headers:
            yield ("headers",), "this names no header: leave forward_headers out to pass none on"
        for place, rule in enumerate(self.headers):
            for name in dict.fromkeys(rule.names):
                why = unpassable(name)
                if why is not None:
                    yield ("headers", place), f"{name} is never passed on: {why}. Leave it out"

    def _renamed(self) -> Iterator[Problem]:
        for place, rule in enumerate(self.headers):
            if rule.goes_as is not None:
                yield ("headers", place), "all-except gives no new names: write the name alone, or mode: allowlist"

    def passing(self, name: str, why: str) -> Iterator[Problem]:
        """That a header is passed on which must not be for the reason `why`, beside the field `forward_headers`."""
        for place, rule in enumerate(self.headers if self.mode == "allowlist" else ()):
            if name in rule.names:
                yield ("forward_headers", "headers", place), f"{name} is never passed on: {why}. Leave it out"

    def forwarding(self) -> HeaderForwarding:
        """As it is kept. In which order headers are written makes no difference."""
        return HeaderForwarding(self.mode, tuple(sorted(rule.names for rule in self.headers)))


def listed(written: Any) -> Any:
    """The short form of `forward_headers` as the long one."""
    if isinstance(written, list | dict):
        return {"headers": written} if isinstance(written, list) else written
    raise ValueError("write a list of header names, like [x-team], or {mode: all-except, headers: [x-team]}")


def _claim(name: str) -> str:
    if name not in CLAIMS:
        raise ValueError(f"{name[:80]!r} is nothing that can be told: use {', '.join(CLAIMS)}")
    return name


class IdentityDraft(Draft):
    """How an upstream is told who calls; becomes an `IdentityForwarding`."""

    method: Literal["claims_header", "jwt_header", "bearer"]
    header: PassedName | None = None
    claims: Annotated[list[Annotated[str, AfterValidator(_claim)]], Field(min_length=1)] = list(CLAIMS)  # noqa: RUF012 - pydantic copies it

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        header, claims = self._header_problem(), self.method == "bearer" and "claims" in self.model_fields_set
        problems: list[Problem] = [] if header is None else [(("header",), header)]
        if claims:
            problems.append((("claims",), "bearer passes on the caller's own token as it is: leave claims out"))
        return agreed(self, problems)

    def _header_problem(self) -> str | None:
        if self.header is None:
            return None
        if self.method == "bearer":
            return None if self.header == _BEARER_HEADER else "bearer is sent as Authorization: leave header out"
        if self.header == _BEARER_HEADER:
            return "a token goes into Authorization with method: bearer; here write a header of its own"
        why = None if self.header in USUAL_HEADERS.values() else unpassable(self.header)
        return None if why is None else f"{self.header} cannot be set: {why}. Write a header of its own"

    def forwarding(self) -> IdentityForwarding:
        """As it is kept. In which order claims are written, and how often, makes no difference."""
        if self.method == "bearer":
            return IdentityForwarding("bearer", None, ())
        return IdentityForwarding(self.method, self.header, tuple(claim for claim in CLAIMS if claim in self.claims))


def contradictions(
    auth: UpstreamAuth, headers: Iterable[str], forwarding: ForwardingDraft | None, identity: IdentityDraft | None
) -> Iterator[Problem]:
    """Headers that two settings of one server would write, told beside the one that has to give way."""
    proving, told = headers_of(auth), None if identity is None else identity.forwarding().sent_as
    plain = {name.lower(): name for name in headers}
    for name in sorted(proving & plain.keys()):
        yield ("headers", plain[name]), f"auth sends {name} too: leave it out here"
    if told in proving:
        yield ("identity",), f"auth: {{type: {type_of(auth)}}} sends {told} too: use another method, or another header"
    if told in plain:
        yield ("headers", plain[told]), f"identity sends {told} too: leave it out here"
    if told is not None and forwarding is not None:
        yield from forwarding.passing(told, "identity says there who calls")
