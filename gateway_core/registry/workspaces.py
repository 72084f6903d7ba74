"""Workspaces and the organisation they belong to. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True, slots=True)
class Workspace:
    """A team's part of the organisation."""

    id: str
    slug: str
    name: str


class Organisation(NamedTuple):
    """The one organisation of a deployment.

    `revision` is new after every change to the registry, so that what a process has cached is good exactly as long
    as the revision it read stands.
    """

    name: str
    revision: str


def workspace_to_data(workspace: Workspace) -> dict[str, Any]:
    """The workspace as a JSON object for the store."""
    return {"id": workspace.id, "slug": workspace.slug, "name": workspace.name}


def workspace_from_data(data: Mapping[str, Any]) -> Workspace:
    """The workspace that `workspace_to_data` wrote."""
    return Workspace(data["id"], data["slug"], data["name"])


def organisation_from_data(data: Mapping[str, Any]) -> Organisation:
    """The organisation as the store holds it."""
    return Organisation(data["name"], data["revision"])
