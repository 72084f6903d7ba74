"""Routes for members and for the mapping from groups to roles."""

from collections.abc import Mapping
from shlex import quote
from typing import Any, Final

from fastapi import FastAPI, Response

from gateway_core.access.roles import Actor
from gateway_core.admin.administration import Administration
from gateway_core.admin.checked.groups import Groups
from gateway_core.admin.checked.members import Invited, Members
from gateway_core.admin.drafts import GroupsDraft, InvitationDraft, RolesDraft
from gateway_core.admin.state import State
from gateway_core.registry.members import Member, Roles
from gateway_core.web.api.actions import Asking

SIGN_IN: Final = (
    "They sign in with the identity provider, with this e-mail address. Where it does not vouch for addresses, "
    "send them a link: gatehouse members link {email}"
)
LINK: Final = "Send them this link. Whoever opens it first chooses the password; a newer link takes its place."
LINK_TO_PROVIDER: Final = (
    "Send them this link. Whoever opens it first and signs in with the identity provider becomes this member, unless "
    "the provider vouches for another address; a newer link takes its place."
)
JOIN_AGAIN: Final = "They join again by a link, which you make and send them: gatehouse members link {email}"
LINK_ENDED: Final = "Their link has ended, since they may do more now; make a new one: gatehouse members link {email}"
JOINED: Final = "They have joined already, and sign in as always."
LINK_ELSEWHERE: Final = "They have not joined yet. Somebody whose roles cover all of theirs can make them a link."


def member_routes(app: FastAPI, administration: Administration) -> None:
    """Add them to `app`."""

    async def told(actor: Actor, member: Member) -> dict[str, Any]:
        return member_told(member, await Members(administration, actor).slugs())

    _invitation_routes(app, administration)

    @app.get("/api/v1/members")
    async def list_members(actor: Asking, workspace: str | None = None, email: str | None = None) -> dict[str, Any]:
        """The members of one workspace, or all whom the actor may see."""
        found = await Members(administration, actor).listed(workspace=workspace, email=email)
        slugs = await Members(administration, actor).slugs()
        return {"members": [member_told(member, slugs) for member in found]}

    @app.get("/api/v1/members/{member_id}")
    async def get_member(member_id: str, actor: Asking) -> dict[str, Any]:
        """One member."""
        return await told(actor, await Members(administration, actor).get(member_id))

    @app.patch("/api/v1/members/{member_id}")
    async def change_roles(member_id: str, draft: RolesDraft, actor: Asking) -> dict[str, Any]:
        """Give a member other roles, from the next request on. What is not named stays.

        `next` says what is to be done now, and is null where that is nothing.
        """
        now = await Members(administration, actor).change(member_id, draft)
        return {**await told(actor, now.member), "next": link_ended(now.member) if now.link_ended else None}

    @app.delete("/api/v1/members/{member_id}", status_code=204)
    async def remove(member_id: str, actor: Asking) -> Response:
        """Remove a member: every session, grant and key of theirs is refused from the next request on."""
        await Members(administration, actor).remove(member_id)
        return Response(status_code=204)

    @app.post("/api/v1/members/{member_id}/unlink")
    async def unlink(member_id: str, actor: Asking) -> dict[str, Any]:
        """Let a member sign in with another account: they keep what is theirs, and are signed out everywhere."""
        unlinked = await told(actor, await Members(administration, actor).unlink(member_id))
        return {**unlinked, "next": _for(JOIN_AGAIN if administration.passwords else SIGN_IN, unlinked["email"])}


def _invitation_routes(app: FastAPI, administration: Administration) -> None:
    async def told(actor: Actor, now: Invited) -> dict[str, Any]:
        slugs = await Members(administration, actor).slugs()
        link, until = (None, None) if now.link is None else (now.link.url, now.link.until)
        return {**member_told(now.member, slugs), "link": link, "link_until": until, "next": _next(administration, now)}

    @app.post("/api/v1/members", status_code=201)
    async def invite(draft: InvitationDraft, actor: Asking) -> dict[str, Any]:
        """Make somebody a member, or give a member further roles. `link_until` is when their link ends."""
        return await told(actor, await Members(administration, actor).invite(draft))

    @app.post("/api/v1/members/{member_id}/invitation")
    async def new_link(member_id: str, actor: Asking) -> dict[str, Any]:
        """A new link for somebody who has not joined yet; the one before it stops working."""
        members = Members(administration, actor)
        link = await members.link(member_id)
        return await told(actor, Invited(await members.get(member_id), link, link_ended=False))


def group_routes(app: FastAPI, administration: Administration) -> None:
    """Add them to `app`."""

    @app.get("/api/v1/groups")
    async def get_groups(actor: Asking) -> dict[str, Any]:
        """Which groups of the identity provider give which roles."""
        return _groups_told(await Groups(administration, actor).seen())

    @app.put("/api/v1/groups")
    async def replace_groups(draft: GroupsDraft, actor: Asking) -> dict[str, Any]:
        """Replace the whole mapping. It counts from each person's next sign-in on."""
        return _groups_told(await Groups(administration, actor).replace(draft))


def member_told(member: Member, slugs: Mapping[str, str]) -> dict[str, Any]:
    """A member as the API shows them, in the workspaces (id to slug) of who asks."""
    return {
        "id": member.id,
        "email": member.email,
        "name": member.name,
        "roles": _roles_told(member.roles, slugs),
        "given": _roles_told(member.given, slugs),
        "from_groups": _roles_told(member.mapped, slugs),
        "invited": member.invited,
        "created_at": member.created_at,
        "created_by": member.created_by,
        "signed_in_at": member.signed_in_at,
    }


def link_ended(member: Member) -> str:
    """What to do for somebody whose link ended."""
    return _for(LINK_ENDED, member.email)


def _for(words: str, email: str) -> str:
    # In quotes where a shell would read the address otherwise.
    return words.format(email=quote(email))


def _roles_told(roles: Roles, slugs: Mapping[str, str]) -> dict[str, Any]:
    named = {slugs[id_]: role for id_, role in roles.workspaces.items() if id_ in slugs}
    return {"organisation": roles.organisation, "workspaces": dict(sorted(named.items()))}


def _groups_told(state: State) -> dict[str, Any]:
    slugs = {stored.record.id: slug for slug, stored in state.workspaces.items()}
    return {
        "groups": [
            {
                "group": row.group,
                "organisation": row.organisation,
                "workspaces": {slugs[id_]: role for id_, role in row.workspaces.items() if id_ in slugs},
            }
            for row in state.groups.record
        ]
    }


def _next(administration: Administration, now: Invited) -> str:
    if now.link is not None:
        return LINK if administration.passwords else LINK_TO_PROVIDER
    if not now.member.invited:
        return JOINED
    if now.link_ended:
        return link_ended(now.member)
    return LINK_ELSEWHERE if administration.passwords else _for(SIGN_IN, now.member.email)
