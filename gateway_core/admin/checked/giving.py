"""Which roles an actor may give to somebody or take from them. Pure."""

from gateway_core.access.roles import Actor, may_give
from gateway_core.admin.authority import Authority, demand
from gateway_core.admin.drafts import InvitationDraft, RolesDraft
from gateway_core.errors import NotAllowed
from gateway_core.registry.members import Member, OrganisationRole, Roles, WorkspaceRole


def asked(authority: Authority, draft: InvitationDraft) -> Roles:
    """The roles that an invitation gives.

    Raises:
        Invalid: Unknown workspace.
        NotAllowed: They are not the actor's to give.
    """
    actor = authority.actor
    demand_rank(actor, draft.organisation)
    if draft.organisation != "member" or not draft.workspaces:
        demand(actor, "members.invite")
    given: dict[str, WorkspaceRole] = {}
    for slug, role in draft.workspaces.items():
        given[authority.workspace(slug, "members.invite", ("workspaces", slug)).id] = role
    return Roles(draft.organisation, given)


def changed(authority: Authority, member: Member, draft: RolesDraft) -> Roles:
    """What administrators gave to `member`, after `draft`.

    Raises:
        Invalid: Unknown workspace.
        NotAllowed: The roles are not the actor's to give or take.
    """
    before = authority.judged(member).given
    organisation, workspaces = before.organisation, dict(before.workspaces)
    if draft.organisation is not None:
        if draft.organisation != organisation:
            demand_rank(authority.actor, draft.organisation)
            demand_rank(authority.actor, organisation)
        demand(authority.actor, "members.change")
        organisation = draft.organisation
    for slug, role in draft.workspaces.items():
        workspace = authority.workspace(slug, "members.change", ("workspaces", slug))
        if role is None:
            workspaces.pop(workspace.id, None)
        else:
            workspaces[workspace.id] = role
    return Roles(organisation, workspaces)


def demand_rank(actor: Actor, role: OrganisationRole) -> None:
    """Go on unless `role` is an owner's and the actor is none. Asked first: no other rule says who can help. Which
    roles beneath that are the actor's to give or take is asked elsewhere.

    Raises:
        NotAllowed: It takes an owner.
    """
    if role == "owner" and not may_give(actor, role):
        raise NotAllowed(
            f"You are signed in as {actor.name}. Only an owner of the organisation makes somebody an owner, "
            "or changes one."
        )
