"""What a client shows its user who has to connect an account: at connect, and when the permission ends later on."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from tests.clients.accounts import LINK, Somebody
from tests.clients.cells import complaint
from tests.clients.clients import Client, Pages
from tests.clients.steps import SAME, Error, Step, called

WHY = "Notes acts as you, and you have not connected your account there."
ENDED = (
    "The authorization server of Notes has ended the permission that was given."
    " It says invalid_grant: grant request is invalid."
)
TOLD = re.compile(r"authorization_url: (\S+)")
"""The link, as the words of an error have it."""

URL_ELICITATION_REQUIRED, MISSING_CLIENT_CAPABILITY = -32042, -32021
LISTED = next(step for step in SAME if step.name == "list tools")


def link_in(shown: str, why: str) -> str:
    """The link that is told after `why`.

    Raises:
        AssertionError: There is none.
    """
    assert why in shown, shown
    found = TOLD.search(shown)
    assert found is not None, shown
    assert LINK.fullmatch(found[1]) is not None, shown
    return found[1]


def connects_at_the_first_link(client: Client, person: Somebody) -> None:
    """Go there without an account; the link is in what the client gives its user, and leads to one."""
    found = client.visit(person.endpoint(client.door), person.key, [LISTED], pages="none")
    person.connect(link_in(json.dumps(found), WHY))


def goes_on_in_the_same_session(client: Client, person: Somebody) -> None:
    """Call, lose the permission, call, have the account connected again, and call."""
    person.connect()
    whoami = called("before", "whoami", person.name)
    if client.speaks[0] == "modern":
        # The page is opened in the middle of the call, which then answers.
        middle = [called("call", "whoami", person.name, asked=[f"{ENDED} Open this page, then continue."])]
    else:
        refused = {"error": Error((URL_ELICITATION_REQUIRED,), ENDED), "links": person.opened}
        middle = [Step("call", "call", whoami.ask, refused), Step("open the link", "open", {}, {})]
    steps = [whoami, taken_back(person), *middle, called("after", "whoami", person.name)]

    found = client.visit(person.endpoint(client.door), person.key, steps, environment=person.environment)

    assert [line for step in steps if (line := complaint(step, found[step.name]))] == []
    (link,) = person.opened
    assert LINK.fullmatch(link) is not None
    if client.speaks[0] == "legacy":
        assert link_in(found["call"]["error"]["message"], ENDED) == link


def ends_with_the_link(client: Client, person: Somebody, pages: Pages) -> None:
    """The same where no page is opened: the call ends, and what it ends with has the link in words."""
    person.connect()
    call = called("call", "whoami", person.name)
    steps = [call, taken_back(person), replace(call, name="again")]

    found = client.visit(person.endpoint(client.door), person.key, steps, pages=pages, environment=person.environment)

    assert found["call"]["text"] == person.name, found
    again = found["again"]
    if pages == "none":
        assert again["error"]["code"] == MISSING_CLIENT_CAPABILITY, again
        shown = again["error"]["message"]
    else:
        assert again["failed"], again
        assert again["asked"] == [f"{ENDED} Open this page, then continue."]
        shown = again["text"]
    person.connect(link_in(shown, ENDED))


def taken_back(person: Somebody) -> Step:
    """The person takes the permission back, at the provider."""
    return Step("taken back", "open", {"link": person.stage.settings}, {})
