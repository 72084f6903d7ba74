"""The tables of docs/bridging.md, held to the schemas of both revisions and to the code: no difference without row."""

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_origin

import mcp_types._v2025_11_25 as legacy
import mcp_types._v2026_07_28 as modern
import pytest
from mcp.server import streamable_http as sdk_sessions
from mcp.shared import inbound as sdk_headers
from pydantic import BaseModel

from gateway_core.protocol import versions
from gateway_core.protocol.bridge import asks, capabilities, errors, notifications, requests, results
from gateway_core.proxy import legacy_clients
from tests.conformance.cells import CELLS
from tests.conformance.verdicts import scored_scenarios

ROOT = Path(__file__).parent.parent
ERAS = {"legacy": legacy, "modern": modern}
HEAD = ["id", "Difference", "The client sees", "The upstream sees", "Refused or lost, and why", "Section", "Shown by"]
SECTION = re.compile(r"\[[^\]]+\]\(https://modelcontextprotocol\.io/specification/([\d-]+)/([a-z/-]+)(?:#[\w-]+)?\)")
PAGES = {
    "2025-03-26": {"basic/index", "server/tools"},
    "2025-06-18": {"server/tools"},
    "2025-11-25": {
        "basic/transports", "basic/utilities/progress", "basic/utilities/tasks", "changelog", "client/elicitation",
    },
    "2026-07-28": {
        "basic/index", "basic/patterns/cancellation", "basic/patterns/mrtr", "basic/patterns/progress",
        "basic/patterns/subscriptions", "basic/transports/streamable-http", "basic/versioning", "changelog",
        "client/elicitation", "server/discover", "server/resources", "server/tools", "server/utilities/caching",
        "server/utilities/logging",
    },
}  # fmt: skip
"""Pages of the specification that rows may name. A new one is added after a look at it."""
NOT_IN_THE_SCHEMAS = {
    "-32002",  # "resource not found" of 2025-11-25 resources, Error Handling
    "io.modelcontextprotocol/related-task",  # 2025-11-25 tasks, Related Task Metadata
}
"""Names that only the prose of a revision has."""

Names = set[str]


@dataclass(frozen=True)
class Row:
    """One difference."""

    id: str
    names: frozenset[str]
    """What stands in backticks in its second cell."""
    section: str
    shown_by: str


@cache
def rows() -> tuple[Row, ...]:
    found = []
    for block in (ROOT / "docs/bridging.md").read_text().split("\n\n"):
        head, *lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.strip().splitlines()]
        if head == HEAD:
            for id, difference, *_, section, shown_by in lines[1:]:
                found.append(Row(id, frozenset(re.findall(r"`([^`]+)`", difference)), section, shown_by))
    return tuple(found)


def named(*kinds: str) -> Names:
    """Everything that rows of these kinds, the first words of their ids, are about."""
    return {name for row in rows() if not kinds or row.id.partition("-")[0] in kinds for name in row.names}


def of(id: str) -> Names:
    (row,) = [row for row in rows() if row.id == id]
    return set(row.names)


def models(era: str) -> dict[str, type[BaseModel]]:
    found = vars(ERAS[era]).items()
    return {name: each for name, each in found if isinstance(each, type) and issubclass(each, BaseModel)}


def fields(model: type[BaseModel]) -> Names:
    return {field.alias or name for name, field in model.model_fields.items()}


def methods(era: str, union: str) -> Names:
    """The methods of a union of requests or notifications; none where the era has no such union."""
    found = getattr(ERAS[era], union, None)
    members = get_args(found) or ([found] if found is not None else [])
    return {get_args(member.model_fields["method"].annotation)[0] for member in members}


def of_one_era(union: str, other: str = "") -> Names:
    return methods("legacy", union) ^ methods("modern", other or union)


def fields_of_one_era(which: str) -> Names:
    """Fields that one era alone has, in the models that both have and whose name `which` matches."""
    ours, theirs = models("legacy"), models("modern")
    both = [name for name in ours.keys() & theirs.keys() if re.fullmatch(which, name)]
    assert both, which
    return {field for name in both for field in fields(ours[name]) ^ fields(theirs[name])}


def paths(model: type[BaseModel], above: str = "") -> Names:
    """Capabilities by their path, e.g. `roots.listChanged`."""
    found: Names = set()
    for name, field in model.model_fields.items():
        path = f"{above}{field.alias or name}"
        found.add(path)
        for part in (field.annotation, *get_args(field.annotation)):
            if isinstance(part, type) and issubclass(part, BaseModel):
                found |= paths(part, f"{path}.")
    return found


def codes(era: str) -> Names:
    """Error codes that the schema of an era gives a meaning beyond JSON-RPC's own."""
    errors_of_era: list[Any] = [model.model_fields["error"].annotation for name, model in models(era).items()
                                if name.endswith("Error") and "error" in model.model_fields]  # fmt: skip
    literal = [code for error in errors_of_era for code in get_args(error.model_fields["code"].annotation)]
    return {str(code) for code in literal if not -32700 <= code <= -32600}


def meta_keys() -> Names:
    holders = [each for name, each in models("modern").items() if re.search(r"Meta(Object)?$", name)]
    return {key for holder in holders for key in fields(holder) if "/" in key}


def headers(module: Any) -> Names:
    found = {value.lower() for name, value in vars(module).items() if "HEADER" in name and isinstance(value, str)}
    return {value for value in found if value.startswith(("mcp-", "last-event-"))}


DIFFERENCES = {
    "requests of clients": (of_one_era("ClientRequest"), ("open", "request")),
    "requests of servers": (of_one_era("ServerRequest", "InputRequest"), ("ask",)),
    "notifications of clients": (of_one_era("ClientNotification"), ("client",)),
    "notifications of servers": (of_one_era("ServerNotification"), ("server",)),
    "results": (
        {name for name in models("legacy").keys() ^ models("modern").keys() if name.endswith("Result")}
        - {"ClientResult", "ServerResult"},
        ("open", "request", "result"),
    ),
    "fields of results": (fields_of_one_era(r"(?!Elicit|ListRoots|CreateMessage)\w*Result"), ("result",)),
    "fields of tools": (fields_of_one_era("Tool"), ("result",)),
    "fields of requests": (
        fields_of_one_era(r"(CallTool|GetPrompt|ReadResource|Paginated|Complete)RequestParams"),
        ("request",),
    ),
    "fields of questions": (fields_of_one_era(r"(CreateMessage|Elicit|ListRoots)\w*(Request|Params)"), ("ask",)),
    "fields of answers": (fields_of_one_era("(CreateMessage|Elicit|ListRoots)Result"), ("ask",)),
    "error codes": (codes("legacy") ^ codes("modern"), ("error",)),
    "keys of _meta": (meta_keys(), ()),
}
"""What one era alone has, computed from the SDK's models of both, and the kinds of rows that may be about it."""


@pytest.mark.parametrize("what", DIFFERENCES)
def test_every_difference_between_the_schemas_has_a_row(what):
    differences, kinds = DIFFERENCES[what]
    assert differences, what
    assert differences - named(*kinds) == set()


@pytest.mark.parametrize("side", ["ClientCapabilities", "ServerCapabilities"])
def test_every_capability_of_one_era_has_a_row(side):
    differences = paths(models("legacy")[side]) ^ paths(models("modern")[side])
    assert differences
    covered = named("capability")
    assert {path for path in differences if not covered & {path, path.partition(".")[0]}} == set()


def test_every_header_of_one_era_has_a_row():
    assert headers(sdk_headers) >= {"mcp-method", "mcp-name", "mcp-param-"}
    assert headers(sdk_sessions) >= {"mcp-session-id", "last-event-id"}
    both = {"mcp-protocol-version"}
    assert (headers(sdk_headers) | headers(sdk_sessions)) - both == {name.lower() for name in named("http")}


def test_what_tools_give_back_may_be_more_than_objects_in_one_era_and_has_a_row():
    def of_objects(era: str) -> Names:
        value = models(era)["CallToolResult"].model_fields["structured_content"].annotation
        found = {"structuredContent"} if any(get_origin(kind) is dict for kind in get_args(value)) else set()
        return found | ({"outputSchema"} if "type" in fields(models(era)["OutputSchema"]) else set())

    assert of_objects("legacy") - of_objects("modern") <= named("result")
    assert of_objects("legacy") ^ of_objects("modern") == {"structuredContent", "outputSchema"}


def test_what_the_gateway_knows_of_one_era_alone_has_a_row():
    known = versions.REQUESTS
    assert known["legacy"] ^ known["modern"] <= named("open", "request")
    reserved = {str(code) for name, code in vars(versions).items()
                if name.isupper() and isinstance(code, int) and -32099 <= code <= -32000}  # fmt: skip
    assert reserved <= named("error")
    meta = {value for name, value in vars(versions).items() if name.startswith("META_")}
    assert meta <= named()


def test_the_tables_of_the_code_are_those_of_the_rows():
    assert of("request-kept") == legacy_clients.KEPT_HERE
    assert of("request-tasks") == {method for era in versions.REQUESTS.values() for method in era
                                   if requests.uncarried({"method": method}, "modern")}  # fmt: skip
    assert of("result-cache") == results.CACHEABLE | {"ttlMs", "cacheScope"}
    assert of("ask-methods") == asks.ASKS
    assert of("ask-where") == errors.ASKING
    assert of("capability-extensions") == capabilities.CARRIED_EXTENSIONS | {"extensions"}
    assert of("error-status") == {str(code) for code in versions.MODERN_STATUS}
    assert of("error-reserved") == {str(min(errors.RESERVED)), str(max(errors.RESERVED))}


def test_what_becomes_of_a_servers_notification_is_what_its_row_says():
    key = versions.META_SUBSCRIPTION_ID
    wanted = {"toolsListChanged": True, "promptsListChanged": True, "resourcesListChanged": True,
              "resourceSubscriptions": ["file:///a"]}  # fmt: skip
    on_call: Names = set()
    on_subscription: Names = set()
    nowhere: Names = set()
    for method in methods("legacy", "ServerNotification"):
        note = {"method": method, "params": {"level": "error", "uri": "file:///a"}}
        tagged = notifications.for_subscription(note, subscription_id=1, wanted=wanted)
        if notifications.to_modern(note, log_level="debug") is not None:
            on_call.add(method)
        (nowhere if tagged is None else on_subscription).add(method)
    assert of("server-note-call") == on_call
    assert of("server-note-change") == on_subscription | {key}
    assert of("server-note-none") == nowhere - on_call
    dropped = {method for method in methods("modern", "ServerNotification")
               if notifications.to_legacy({"method": method}) is None}  # fmt: skip
    assert of("server-note-subscription") == dropped


def test_rows_name_nothing_that_no_revision_has():
    words = [path.read_text() for era in ERAS.values() for path in [Path(str(era.__file__))]]
    known = " ".join(words) + " ".join(headers(sdk_headers) | headers(sdk_sessions))
    ours = {str(code) for code in [*versions.MODERN_STATUS, *errors.RESERVED]} | capabilities.CARRIED_EXTENSIONS
    parts = {name: name.rpartition(".")[2] for name in named() - ours - NOT_IN_THE_SCHEMAS - {"tasks/update"}}
    assert {name for name, part in parts.items() if part not in known and part.lower() not in known} == set()


def test_every_row_is_whole():
    ids = [row.id for row in rows()]
    assert len(ids) > 40
    assert sorted({id for id in ids if ids.count(id) > 1}) == []
    for row in rows():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)+", row.id), row.id
        section = SECTION.fullmatch(row.section)
        assert section, f"{row.id}: its section is no link to a page of the specification"
        assert section[2] in PAGES.get(section[1], ()), f"{row.id}: {section[2]} is no page of {section[1]}"
        assert shown(row), f"{row.id}: nothing shows it"
        assert re.sub(r"`[^`]+`", "", row.shown_by).strip() == "", f"{row.id}: {row.shown_by}"


def shown(row: Row) -> list[str]:
    return re.findall(r"`([^`]+)`", row.shown_by)


@cache
def functions_in(file: str) -> Names:
    tree = ast.parse((ROOT / file).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.id)
def test_what_shows_a_row_exists(row):
    for reference in shown(row):
        file, colons, test = reference.partition("::")
        if colons:
            assert test.startswith("test_"), reference
            assert test in functions_in(file), f"{row.id}: {file} has no {test}"
        else:
            assert reference.partition(" ")[0] in map(str, CELLS), reference


@pytest.mark.tools
def test_scenarios_that_show_a_row_are_known_to_the_official_suite():
    named_here = {tuple(reference.split(" ")) for row in rows() for reference in shown(row) if "::" not in reference}
    assert named_here
    for cell, scenario in named_here:
        assert scenario in scored_scenarios(cell.partition(":")[0]), f"{cell} {scenario}"
