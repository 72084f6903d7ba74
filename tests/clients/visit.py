"""The part of a visit that no SDK has a word in: the order comes in on standard input, one JSON line per step goes out.

Imported by the programs of this folder, which run in environments of their own; so never imports from `tests`.
"""

import json
import os
import subprocess
import sys
import time
import traceback
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.to_thread
from mcp.shared.exceptions import UrlElicitationRequiredError

STEP_S = 12
"""How long a step may take before it counts as hanging. The slowest one that works takes half a second."""

URL_ELICITATION_REQUIRED = -32042

NOTICE_S = 5
"""How long to wait for a notification that somebody else causes."""


@dataclass
class Order:
    """What to visit and how."""

    url: str
    key: str
    mode: str
    steps: list[dict[str, Any]]
    answers: dict[str, Any]
    pages: str = "open"
    """What this application does with a page that its user is asked to open: `open` it, `decline`, or, as one that
    knows no questions at all, `none`."""
    sign_in: dict[str, Any] | None = None
    """How to get in without a key: a `folder` to remember in, and the URL of the client's `document` if it has one."""

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def filled(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The form of `schema`, filled in."""
        return {name: self.answers["form"][name] for name in schema["properties"]}


def noticeboard() -> defaultdict[str, anyio.Event]:
    """What changed: `tools`, `prompts`, or the address of a resource."""
    return defaultdict(anyio.Event)


@dataclass
class Heard:
    """What came from the server during one step."""

    progress: list[float] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    changed: defaultdict[str, anyio.Event] = field(default_factory=noticeboard)
    first: float = 0.0
    link: str = ""
    """The page that the last typed error wants opened; outlasts its step."""

    def clear(self) -> None:
        self.progress, self.logs, self.asked, self.first = [], [], [], 0.0
        self.changed = noticeboard()

    async def report(self, done: float, _total: float | None = None, _message: str | None = None) -> None:
        self.first = self.first or time.monotonic()
        self.progress.append(done)

    def result(self, content: list[Any], *, failed: bool) -> dict[str, Any]:
        """A tool's answer and what was heard before it."""
        return self.result_of(content[0].text, failed=failed)

    def result_of(self, text: str, *, failed: bool) -> dict[str, Any]:
        """The same, of an answer that is a text alone."""
        found = {"text": text, "progress": self.progress, "logs": self.logs, "asked": sorted(self.asked)}
        late = {"after_first_report_s": time.monotonic() - self.first} if self.first else {}
        return found | late | ({"failed": True} if failed else {})

    def prompted(self, text: str) -> dict[str, Any]:
        """A prompt's first message and what was asked before it."""
        return {"text": text} | ({"asked": self.asked} if self.asked else {})

    async def notice(self, what: str) -> dict[str, Any]:
        """Wait until `what` is said to have changed."""
        with anyio.move_on_after(NOTICE_S):
            await self.changed[what].wait()
        return {"changed": self.changed[what].is_set()}


class Host:
    """The application around a client: answers what servers ask and listens to what they tell.

    `types` are those of either SDK; the two differ in how they spell a field and wrap a notification.
    """

    def __init__(self, types: Any, order: Order, heard: Heard) -> None:
        self.types, self.order, self.heard = types, order, heard

    async def elicit(self, _context: object, params: Any) -> Any:
        self.heard.asked.append(params.message)
        if params.mode == "url":
            return self.types.ElicitResult(action=await self.page(params.url))
        schema = getattr(params, "requested_schema", None) or params.requestedSchema
        return self.types.ElicitResult(action="accept", content=self.order.filled(schema))

    async def page(self, url: str) -> str:
        """The person's answer to the wish that they open a page."""
        if self.order.pages == "decline":
            return "decline"
        await open_page(url)
        return "accept"

    async def sample(self, _context: object, params: Any) -> Any:
        self.heard.asked.append(params.messages[0].content.text)
        said = self.types.TextContent(type="text", text=self.order.answers["model"])
        return self.types.CreateMessageResult(role="assistant", content=said, model="fixed")

    async def roots(self, _context: object) -> Any:
        self.heard.asked.append("roots")
        return self.types.ListRootsResult(roots=[self.types.Root(uri=self.order.answers["root"])])

    async def log(self, params: Any) -> None:
        self.heard.logs.append(params.data)

    async def told(self, message: Any) -> None:
        match getattr(message, "method", None) or getattr(getattr(message, "root", None), "method", None):
            case "notifications/tools/list_changed":
                self.heard.changed["tools"].set()
            case "notifications/prompts/list_changed":
                self.heard.changed["prompts"].set()
            case "notifications/resources/updated":
                self.heard.changed[str(getattr(message, "root", message).params.uri)].set()

    def callbacks(self) -> dict[str, Any]:
        asks = {} if self.order.pages == "none" else {"elicitation_callback": self.elicit}
        return asks | {
            "sampling_callback": self.sample,
            "list_roots_callback": self.roots,
            "logging_callback": self.log,
            "message_handler": self.told,
        }


async def pages(fetch: Callable[[str | None], Awaitable[Any]], names: Callable[[Any], list[str]]) -> dict[str, Any]:
    """Everything on all pages of a list."""
    found: list[str] = []
    page = await fetch(None)
    found += names(page)
    while cursor := getattr(page, "next_cursor", None) or getattr(page, "nextCursor", None):
        page = await fetch(cursor)
        found += names(page)
    return {"names": found}


async def open_page(url: str) -> None:
    """Have the person open a page, and wait until they are back."""
    await anyio.to_thread.run_sync(subprocess.check_call, [os.environ["BROWSER"], url])


def order() -> Order:
    """Read what to do."""
    return Order(**json.load(sys.stdin))


def say(step: str, **found: Any) -> None:
    print(json.dumps({"step": step, "found": found}), flush=True)


def trouble(error: BaseException) -> dict[str, Any]:
    """What a user of the SDK sees: an error of the protocol, or how the SDK broke."""
    said = getattr(error, "error", None)
    if said is not None and hasattr(said, "code"):
        return {"error": {"code": said.code, "message": said.message}}
    return {"crash": "\n".join(leaves(error))}


def wanted(error: BaseException) -> dict[str, Any]:
    """The pages that the SDK's own error for that names, if it is one."""
    said = getattr(error, "error", None)
    if getattr(said, "code", None) != URL_ELICITATION_REQUIRED:
        return {}
    return {"links": [one.url for one in UrlElicitationRequiredError.from_error(said).elicitations]}


def leaves(error: BaseException) -> list[str]:
    """Each exception of a group, however deep, and the place in the SDK that raised it."""
    if isinstance(error, BaseExceptionGroup):
        return [line for one in error.exceptions for line in leaves(one)]
    return ["".join(traceback.format_exception(error, limit=-1))]


async def walk(steps: list[dict[str, Any]], heard: Heard, verbs: object) -> None:
    """Do one step after the other with the methods of `verbs`; one that fails is told and the next one tried."""
    for step in steps:
        heard.clear()
        try:
            with anyio.fail_after(STEP_S):
                if step["do"] == "open":
                    await open_page(step["ask"].get("link", heard.link))
                    found: dict[str, Any] = {}
                else:
                    found = await getattr(verbs, step["do"])(**step["ask"])
        except Exception as error:  # noqa: BLE001 - whatever a user of the SDK would see
            found = trouble(error) | wanted(error)
            heard.link = "".join(found.get("links", [])[:1])
        say(step["name"], **found)


def run(main: Callable[[Order], Awaitable[None]]) -> None:
    """Go on the visit; if there is no connection, that is the last line."""
    try:
        anyio.run(main, order())
    except BaseException as error:  # noqa: BLE001 - whatever a user of the SDK would see
        say("end", **trouble(error))
