"""Where a secret has to be. Each row says why; whoever adds one has to."""

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Allowed:
    """`where` and `what` are searched for; `before` must end where the secret begins. An empty one holds everywhere."""

    kind: str
    where: str
    what: str
    why: str
    before: str = ""

    def covers(self, kind: str, where: str, what: str, before: bytes) -> bool:
        """Whether it is about this secret in this place."""
        return (
            kind == self.kind
            and re.search(self.where, where) is not None
            and re.search(self.what, what) is not None
            and re.search(rf"(?:{self.before})$".encode(), before) is not None
        )


_LINK: Final = "an invitation|set-up token|what was sealed"
ALLOWED: Final[tuple[Allowed, ...]] = (
    Allowed("answer", r"^POST /token 200$", "token", "This is where tokens are given."),
    Allowed("answer", r"^POST /api/v1/keys 201$", "an API key", "A new key is shown once.", r'"key":"'),
    Allowed("answer", r"^POST /api/v1/clients 201$", "client secret", "It is shown once.", r'"secret":"'),
    Allowed("answer", r"^POST /register 201$", "client secret", "It is shown once (RFC 7591).", r'"client_secret": ?"'),
    Allowed(
        "answer", r"^POST /api/v1/members(/[\w-]+/invitation)? 20[01]$", "an invitation",
        "Whoever invites somebody gets the link to pass on.", r"/oauth/join\?token=",
    ),
    Allowed(
        "answer", r"^(GET|POST) /oauth/(join|setup) \d+$", _LINK,
        "The page that such a link leads to hands it on with its form.", r'(name="token" value="|/oauth/join\?token=)',
    ),
    Allowed(
        "header", r"^(GET /oauth/setup|POST /oauth/signout) 303 location$", _LINK,
        "Back to the page of the link that the browser came with.", r"/oauth/(join|setup)\?token=",
    ),
    Allowed("header", r"location$", "code", "Codes travel in redirects (RFC 6749, 4.1.2).", r"[?&]code="),
    Allowed(
        "file", r"(^|/)(gateway\.)?log$", "an API key|set-up token",
        "`gatehouse dev` shows the person at the keyboard the demo key and the set-up link, not in a log line.",
        r'\n  API key   | --header "Authorization: Bearer |\n  http://127\.0\.0\.1:\d+/oauth/setup\?token=',
    ),
    Allowed("output", r"^gatehouse keys create$", "an API key", "A new key is printed once."),
    Allowed("output", r"^gatehouse clients create$", "client secret", "It is printed once.", r"client_secret  "),
    Allowed("output", r"^gatehouse members (invite|link)$", "an invitation", "To pass on.", r"/oauth/join\?token="),
    Allowed("file", r"(^|/)(admin|demo|sealing)\.key$", "", "Key files: only their user can read them."),
    Allowed("file", r"(^|/)gatehouse/credentials\.json$", "", "Where the command line keeps its logins, for its user."),
    Allowed(
        "file", r"^kept/(tokens\.json$|mcp-oauth-)", "(access|refresh) token",
        "Where clients of the SDKs keep what they got.",
    ),
    Allowed(
        "file", r"(^|/)(\.codex|\.claude)/\.credentials\.json$|(^|/)\.mcp-(auth|inspector)/", "",
        "Where real clients keep what they signed in with.",
    ),
    Allowed("file", r"^build/", "a JWT|a private key", "Examples in the libraries that are packed for Lambda."),
    Allowed("file", r"^suite(\.log$|/)", "code|a JWT|private key", "What the official suite notes of its roles."),
    Allowed("file", r"(^|/)[0-9a-f]+\.pem$", "a private key", "Keys of TLS servers of tests (tests/certificates.py)."),
)  # fmt: skip
