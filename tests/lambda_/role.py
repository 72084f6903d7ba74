"""What a role of the template may do to the tables, decided as IAM does, and an AWS that holds a function to it."""

import fnmatch
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from tests.asgi import headers_of, read_body
from tests.contracts.aws import send
from tests.programs import ROOT

TABLES = {"RegistryTableArn": "registry", "GrantsTableArn": "grants"}
DENIED = {"__type": "com.amazon.coral.service#AccessDeniedException", "Message": "not authorized"}


class _Template(yaml.SafeLoader):
    """Reads `!Name value` as `{"Name": value}`."""


def _tagged(loader: Any, tag: str, node: Any) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return {tag: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {tag: loader.construct_sequence(node, deep=True)}
    return {tag: loader.construct_mapping(node, deep=True)}


_Template.add_multi_constructor("!", _tagged)


@dataclass(frozen=True)
class Role:
    """The statements of its policy."""

    statements: Sequence[Mapping[str, Any]]

    @classmethod
    def of_template(cls, name: str) -> "Role":
        template = yaml.load((ROOT / "template.yaml").read_text(), _Template)
        [policy] = template["Resources"][name]["Properties"]["Policies"]
        return cls(policy["PolicyDocument"]["Statement"])

    def may(self, operation: str, table: str, leading_keys: Sequence[str]) -> bool:
        """True when it may do `operation` to the items of `table` under these partition keys."""
        return any(
            f"dynamodb:{operation}" in _listed(one["Action"])
            and table in _tables_of(one)
            and _fulfilled(one.get("Condition", {}), leading_keys)
            for one in self.statements
        )


def _tables_of(statement: Mapping[str, Any]) -> set[str]:
    told = json.dumps(_listed(statement["Resource"]))
    return {table for output, table in TABLES.items() if output in told}


def _fulfilled(condition: Mapping[str, Any], leading_keys: Sequence[str]) -> bool:
    """See IAM User Guide, "Single-valued vs. multivalued context keys": ForAllValues holds where there is no value."""
    for operator, ((name, wanted),) in ((operator, tests.items()) for operator, tests in condition.items()):
        assert name == "dynamodb:LeadingKeys", f"{name} is not known here"
        match operator:
            case "ForAllValues:StringLike":
                good = all(any(fnmatch.fnmatchcase(key, like) for like in wanted) for key in leading_keys)
            case "Null":
                good = (not leading_keys) == (str(wanted).lower() == "true")
            case _:
                raise AssertionError(f"{operator} is not known here")
        if not good:
            return False
    return True


@dataclass
class Guarded:
    """ASGI: an AWS that lets pass what a role may do to the tables. `refused` is what it asked for beyond that."""

    url: str
    role: Role
    tables: Mapping[str, str]
    """Name in DynamoDB → `registry` or `grants`."""
    refused: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often each operation was asked of each table."""

    async def __call__(self, scope: Any, receive: Any, send_out: Any) -> None:
        body, headers = await read_body(receive), headers_of(scope)
        status, answer = await self.send(scope["method"], self.url + scope["path"], headers, body)
        fields = [(b"content-type", b"application/x-amz-json-1.0"), (b"content-length", str(len(answer)).encode())]
        await send_out({"type": "http.response.start", "status": status, "headers": fields})
        await send_out({"type": "http.response.body", "body": answer})

    async def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """See gateway_core.aws.sending.Send."""
        if self.allows(headers.get("x-amz-target", ""), body):
            return await send(method, url, headers, body)
        return 400, json.dumps(DENIED).encode()

    def allows(self, target: str, body: bytes) -> bool:
        """Whether the role may; a no is written down."""
        service, _, asked = target.partition(".")
        if not service.startswith("DynamoDB"):
            return True
        for operation, name, leading_keys in _touched(asked, json.loads(body)):
            table = self.tables[name]
            if not self.role.may(operation, table, leading_keys):
                self.refused.append((operation, table, tuple(leading_keys)))
                return False
            self.asked[operation, table] += 1
        return True


def _touched(operation: str, request: Mapping[str, Any]) -> Iterable[tuple[str, str, list[str]]]:
    """What a request has to be allowed: operation, table, and the partition keys there."""
    for part in request.get("TransactItems", ()):
        # Each part of a transaction is decided by itself (DynamoDB Developer Guide, "Using IAM with transactions").
        [(kind, inner)] = part.items()
        yield from _touched(f"{kind}Item", inner)
    for name, asked in request.get("RequestItems", {}).items():
        yield operation, name, [key["pk"]["S"] for key in asked["Keys"]]
    if "Key" in request:
        yield operation, request["TableName"], [request["Key"]["pk"]["S"]]
    elif "KeyConditionExpression" in request:
        yield operation, request["TableName"], [request["ExpressionAttributeValues"][":pk"]["S"]]
    elif "TableName" in request:
        yield operation, request["TableName"], []


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
