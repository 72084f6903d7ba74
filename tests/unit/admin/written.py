"""Servers as people write them, for tests: what is taken, and where and how the rest is refused."""

from typing import Any

from pydantic import ValidationError

from gateway_core.admin.drafts import ServerDraft


def server(**fields: Any) -> ServerDraft:
    return ServerDraft.model_validate({"slug": "linear", "url": "https://mcp.example.com/mcp", **fields})


def refusals(**fields: Any) -> list[tuple[str, str]]:
    """Where something is wrong, without the step by which the schema chooses a type of auth, and in which words."""
    try:
        server(**fields)
    except ValidationError as error:
        return [(".".join(map(str, _written(each["loc"]))), each["msg"]) for each in error.errors()]
    return []


def _written(loc: tuple[int | str, ...]) -> tuple[int | str, ...]:
    return (loc[0], *loc[2:]) if loc[:1] == ("auth",) else loc


def oauth(**fields: Any) -> dict[str, Any]:
    return {"auth": {"type": "oauth", **fields}}


def credentials(**fields: Any) -> dict[str, Any]:
    return {"auth": {"type": "client_credentials", "client_id": "us", **fields}}


def exchange(**fields: Any) -> dict[str, Any]:
    return {"auth": {"type": "token_exchange", "subject": "identity", "issuer": "https://a.example", **fields}}
