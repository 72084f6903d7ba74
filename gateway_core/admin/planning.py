"""From a configuration and the registry as it stands to the changes that are needed. Pure."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from gateway_core.admin.draft import Problem
from gateway_core.admin.drafts import ConfigDraft, ServerDraft
from gateway_core.admin.groups import group_problems, mapping
from gateway_core.admin.jwt_drafts import JwtValidationDraft
from gateway_core.admin.state import Mapping, State, Stored
from gateway_core.admin.upstream_drafts import TokenExchangeDraft
from gateway_core.errors import Invalid
from gateway_core.registry import client_policy, jwt_validation
from gateway_core.registry.client_policy import ClientPolicy
from gateway_core.registry.jwt_validation import JwtValidation
from gateway_core.registry.servers import Server, to_data
from gateway_core.registry.slugs import new_id
from gateway_core.registry.upstream_auth import HeaderValue
from gateway_core.registry.workspaces import Workspace

_Before = Stored[Workspace] | Stored[Server] | Stored[Mapping] | Stored[JwtValidation] | Stored[ClientPolicy]


@dataclass(frozen=True, slots=True)
class Change:
    """One object that will be different. `before` or `after` is None where there is none."""

    action: Literal["create", "update", "delete"]
    kind: Literal["organisation", "workspace", "server", "groups", "jwt_validation", "clients"]
    slug: str
    fields: tuple[str, ...] = ()
    before: _Before | None = None
    after: Workspace | Server | Mapping | JwtValidation | ClientPolicy | str | None = None


def plan(draft: ConfigDraft, state: State, *, prune: bool, check_url: Callable[[str], object]) -> list[Change]:
    """What has to change so that the registry says what `draft` says. What it does not name stays, unless `prune`.

    Args:
        draft: The configuration, its fields already valid by themselves.
        state: The registry.
        prune: Also delete workspaces and servers that `draft` does not name.
        check_url: Raises `Invalid` for a URL that the gateway could never call.

    Raises:
        Invalid: With one problem per field; then nothing may be changed.
    """
    problems = [
        *_slug_problems(draft, state, prune=prune),
        *_server_problems(draft, state, check_url, prune=prune),
        *_url_problems(_organisations(draft), ("jwt_validation",), check_url),
        *group_problems(draft.groups or [], _known(draft, state, prune=prune)),
    ]
    if problems:
        # Paths begin where a body of the API does, as those of its own checks do.
        located = tuple((("config", *path), message) for path, message in problems)
        raise Invalid("The configuration cannot be applied; nothing was changed.", problems=located)
    changes = list(_organisation(draft, state))
    workspaces = {slug: stored.record for slug, stored in state.workspaces.items()}
    for change in _workspaces(draft, state):
        changes.append(change)
        if isinstance(change.after, Workspace):
            workspaces[change.slug] = change.after
    changes.extend(_servers(draft, state, workspaces))
    if draft.groups is not None:
        changes.extend(_groups(mapping(draft.groups, workspaces), state))
    changes.extend(_validation(draft, state))
    changes.extend(_clients(draft, state))
    if prune:
        changes.extend(_pruned(draft, state))
    return changes


def _slug_problems(draft: ConfigDraft, state: State, *, prune: bool) -> Iterator[Problem]:
    """Workspaces and servers share one namespace: both stand first in a URL."""
    taken: dict[str, str] = {}
    entries = [(("workspaces", i, "slug"), "workspace", w.slug) for i, w in enumerate(draft.workspaces)]
    entries += [(("servers", i, "slug"), "server", s.slug) for i, s in enumerate(draft.servers)]
    ids = {workspace.record.id for workspace in state.workspaces.values()}
    ids |= {server.record.id for server in state.servers.values()}
    for path, kind, slug in entries:
        if slug in ids:
            yield path, f"{slug!r} is the id of something that exists, and ids stand in URLs as slugs do"
        if slug in taken:
            yield path, f"{slug!r} is already the slug of a {taken[slug]} in this file"
        taken.setdefault(slug, kind)
        others = state.servers if kind == "workspace" else state.workspaces
        other_kind = "server" if kind == "workspace" else "workspace"
        if slug in others and not prune:
            yield path, f"{slug!r} is already the slug of a {other_kind}"


def _server_problems(
    draft: ConfigDraft, state: State, check_url: Callable[[str], object], *, prune: bool
) -> Iterator[Problem]:
    known = _known(draft, state, prune=prune)
    everywhere = _believed_everywhere(draft, state)
    for index, server in enumerate(draft.servers):
        path = ("servers", index)
        yield from _url_problems(server, path, check_url)
        for position, slug in enumerate([] if server.workspaces == "all" else server.workspaces):
            if slug not in known:
                there = ", ".join(sorted(known)) or "none"
                yield (*path, "workspaces", position), f"there is no workspace {slug!r} (there is: {there})"
        believed = everywhere if server.jwt_validation is None else server.jwt_validation.validation()
        yield from (((*path, *inner), said) for inner, said in _token_problems(server, believed))


def _token_problems(server: ServerDraft, believed: JwtValidation | None) -> Iterator[Problem]:
    """What does not go together with the tokens of other issuers that are believed at a server."""
    if believed is None and isinstance(server.auth, TokenExchangeDraft) and server.auth.subject == "bearer":
        yield ("auth", "subject"), "no token of another issuer is believed here: write jwt_validation, or identity"
    if believed is not None and server.forward_headers is not None:
        yield from server.forward_headers.passing(believed.header, "callers prove themselves with it")


def _organisations(draft: ConfigDraft) -> JwtValidationDraft | None:
    return draft.jwt_validation if isinstance(draft.jwt_validation, JwtValidationDraft) else None


def _believed_everywhere(draft: ConfigDraft, state: State) -> JwtValidation | None:
    """What will hold at servers that say nothing of their own."""
    if draft.jwt_validation is None:
        return None if state.jwt_validation is None else state.jwt_validation.record
    written = _organisations(draft)
    return None if written is None else written.validation()


def _url_problems(
    draft: ServerDraft | JwtValidationDraft | None, path: tuple[str | int, ...], check_url: Callable[[str], object]
) -> Iterator[Problem]:
    for inner, url in () if draft is None else draft.urls():
        try:
            check_url(url)
        except Invalid as problem:
            yield (*path, *inner), problem.message


def _known(draft: ConfigDraft, state: State, *, prune: bool) -> set[str]:
    """The slugs of the workspaces that there will be."""
    return {workspace.slug for workspace in draft.workspaces} | (set() if prune else set(state.workspaces))


def _groups(after: Mapping, state: State) -> Iterator[Change]:
    before = {row.group: row for row in state.groups.record}
    wanted = {row.group: row for row in after}
    different = tuple(sorted(name for name in before.keys() | wanted.keys() if before.get(name) != wanted.get(name)))
    if different:
        yield Change("update", "groups", "mapping", different, state.groups, after)


def _validation(draft: ConfigDraft, state: State) -> Iterator[Change]:
    stored, after = state.jwt_validation, _believed_everywhere(draft, state)
    if draft.jwt_validation is None:
        return
    if after is None:
        if stored is not None:
            yield Change("delete", "jwt_validation", "organisation", before=stored)
        return
    if stored is None:
        yield Change("create", "jwt_validation", "organisation", after=after)
    elif after != stored.record:
        old, new = jwt_validation.to_data(stored.record), jwt_validation.to_data(after)
        fields = tuple(field for field in new if new[field] != old[field])
        yield Change("update", "jwt_validation", "organisation", fields, stored, after)


def _clients(draft: ConfigDraft, state: State) -> Iterator[Change]:
    if draft.clients is None:
        return
    after = draft.clients.policy()
    old, new = client_policy.to_data(state.clients.record), client_policy.to_data(after)
    fields = tuple(field for field in new if new[field] != old[field])
    if fields:
        yield Change("update", "clients", "policy", fields, state.clients, after)


def _organisation(draft: ConfigDraft, state: State) -> Iterator[Change]:
    name = draft.organisation or state.organisation or "My organisation"
    if name != state.organisation:
        yield Change("update" if state.organisation else "create", "organisation", name, ("name",), after=name)


def _workspaces(draft: ConfigDraft, state: State) -> Iterator[Change]:
    for wanted in draft.workspaces:
        stored = state.workspaces.get(wanted.slug)
        if stored is None:
            made = Workspace(new_id("ws"), wanted.slug, wanted.name or wanted.slug)
            yield Change("create", "workspace", wanted.slug, after=made)
        elif wanted.name is not None and wanted.name != stored.record.name:
            after = replace(stored.record, name=wanted.name)
            yield Change("update", "workspace", wanted.slug, ("name",), stored, after)


def _servers(draft: ConfigDraft, state: State, workspaces: dict[str, Workspace]) -> Iterator[Change]:
    for wanted in draft.servers:
        stored = state.servers.get(wanted.slug)
        server = _server(wanted, None if stored is None else stored.record, workspaces)
        if stored is None:
            yield Change("create", "server", wanted.slug, after=server)
        elif server != stored.record:
            old, new = to_data(stored.record), to_data(server)
            fields = tuple(field for field in new if new[field] != old[field])
            yield Change("update", "server", wanted.slug, fields, stored, server)


def _server(draft: ServerDraft, old: Server | None, workspaces: dict[str, Workspace]) -> Server:
    return Server(
        id=new_id(draft.slug[:40]) if old is None else old.id,
        slug=draft.slug,
        name=draft.name or (draft.slug if old is None else old.name),
        url=draft.url,
        transport=draft.transport,
        auth=draft.auth.auth(),
        workspaces=(
            "all" if draft.workspaces == "all" else frozenset(workspaces[slug].id for slug in draft.workspaces)
        ),
        timeout_s=draft.timeout_s,
        era=draft.era,
        jwt_validation=None if draft.jwt_validation is None else draft.jwt_validation.validation(),
        forward_headers=None if draft.forward_headers is None else draft.forward_headers.forwarding(),
        headers=tuple(HeaderValue(name, value) for name, value in sorted(draft.headers.items())),
        identity=None if draft.identity is None else draft.identity.forwarding(),
    )


def _pruned(draft: ConfigDraft, state: State) -> Iterator[Change]:
    kept = {server.slug for server in draft.servers}
    for slug, server in sorted(state.servers.items()):
        if slug not in kept:
            yield Change("delete", "server", slug, before=server)
    kept = {workspace.slug for workspace in draft.workspaces}
    for slug, workspace in sorted(state.workspaces.items()):
        if slug not in kept:
            yield Change("delete", "workspace", slug, before=workspace)
