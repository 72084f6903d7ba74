"""Which servers a member can use: those of the workspaces that they reach, in the order that was asked for."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gateway_core.registry.members import Member, Roles
from gateway_core.registry.reach import usable
from gateway_core.registry.servers import Server
from gateway_core.registry.upstream_auth import NoAuth
from gateway_core.registry.workspaces import Workspace

PLACES = ("ws-1", "ws-2", "ws-3")
ANA = Member("p-1", "ana@acme.dev", "Ana", Roles(), Roles(), None, 0, "ana@acme.dev", None)
provisioned = st.one_of(st.just("all"), st.frozensets(st.sampled_from(PLACES)))


def server(number: int, workspaces: object) -> Server:
    return Server(f"srv-{number}", f"s{number}", "S", "https://s.example/mcp", "auto", NoAuth(), workspaces)  # type: ignore[arg-type]


@given(st.lists(provisioned, max_size=6), st.permutations(PLACES), st.sets(st.sampled_from(PLACES)), st.booleans())
def test_each_workspace_within_reach_has_its_servers_in_the_order_given(wanted, places, own, runs_it):
    servers = [server(number, workspaces) for number, workspaces in enumerate(wanted)]
    member = replace(ANA, given=Roles("owner" if runs_it else "auditor", dict.fromkeys(own, "member")))
    workspaces = [Workspace(place, place, place) for place in places]
    assert list(usable(member, workspaces, servers)) == [
        (workspace, tuple(one for one in servers if one.in_workspace(workspace.id)))
        for workspace in workspaces
        if runs_it or workspace.id in own
    ]
