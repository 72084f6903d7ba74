"""What was judged is what is done: somebody changes a member or the registry between the question and the act."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from gateway_core.access.roles import ADMINISTRATOR, Actor
from gateway_core.admin.checked.groups import Groups
from gateway_core.admin.checked.keys import Keys
from gateway_core.admin.checked.members import Members
from gateway_core.admin.checked.registry import Registry
from gateway_core.admin.drafts import ApplyDraft, ConfigDraft, GroupDraft, GroupsDraft, KeyDraft, RolesDraft
from gateway_core.admin.links import Link
from gateway_core.errors import Conflict, NotAllowed, StoreUnavailable
from gateway_core.issuer.grants import Grants
from gateway_core.ports import Table
from gateway_core.registry.members import Identity
from gateway_core.registry.people import Entry
from gateway_core.storage import keys
from tests.flows.actors import granted, invited, joined, roles
from tests.flows.gateways import Gateway, gateway

Act = Callable[[], Awaitable[object]]


class Meanwhile:
    """A store in which something happens once, right after a certain key was read."""

    def __init__(self, gw: Gateway, read: Any, act: Act) -> None:
        self.table, self.read, self.act, self.done = gw.table, read, act, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.table, name)

    async def get(self, key: Any) -> Any:
        found = await self.table.get(key)
        await self._happens([key])
        return found

    async def get_many(self, wanted: Any) -> Any:
        found = await self.table.get_many(wanted)
        await self._happens(wanted)
        return found

    async def _happens(self, read: Any) -> None:
        if self.read in read and not self.done:
            self.done = True
            await self.act()


def as_table(fake: Any) -> Table:
    table: Table = fake
    return table


async def test_a_role_that_was_taken_away_is_not_given_back_by_an_older_change_though_groups_give_it_too(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        ben = await joined(gw, "ben@acme.dev", "admin")
        admins = await roles(gw, "admin")
        await gw.admin.people.sign_in(ben.id, Entry(Identity("https://idp.example", "ben@acme.dev"), mapped=admins))

        async def demote() -> None:
            await Members(gw.admin, ADMINISTRATOR).change(ben.id, RolesDraft(organisation="member"))

        table = as_table(Meanwhile(gw, keys.member(ben.id), demote))
        members = Members(replace(gw.admin, table=table), ADMINISTRATOR)
        with pytest.raises(Conflict, match="Look at them again"):
            await members.change(ben.id, RolesDraft(workspaces={"research": "member"}))
        after = await gw.admin.people.get(ben.id)
        assert after is not None
        assert after.given.organisation == "member"


async def test_an_admin_does_not_remove_somebody_who_is_made_an_owner_at_that_moment(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        admin, ben = await joined(gw, "ana@acme.dev", "admin"), await joined(gw, "ben@acme.dev")
        await joined(gw, "boss@acme.dev", "owner")

        async def raise_ben() -> None:
            await Members(gw.admin, ADMINISTRATOR).change(ben.id, RolesDraft(organisation="owner"))

        table = as_table(Meanwhile(gw, keys.member(ben.id), raise_ben))
        with pytest.raises(Conflict, match="Look at them again"):
            await Members(replace(gw.admin, table=table), Actor(admin.email, admin)).remove(ben.id)
        assert await gw.admin.people.get(ben.id) is not None


async def test_a_key_is_not_made_for_somebody_who_comes_with_roles_beyond_ones_own_at_that_moment(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        wes = await joined(gw, "wes@acme.dev", research="admin")

        async def invite_boss() -> None:
            await gw.admin.people.add("boss@acme.dev", given=await roles(gw, "owner"), by="ana@acme.dev")

        table = as_table(Meanwhile(gw, keys.member_email("boss@acme.dev"), invite_boss))
        keys_of_wes = Keys(replace(gw.admin, table=table), Actor(wes.email, wes))
        with pytest.raises(NotAllowed, match="roles beyond yours"):
            await keys_of_wes.create(KeyDraft(workspace="research", kind="user", subject="boss@acme.dev"))
        assert "boss@acme.dev" not in {key.subject for key in await keys_of_wes.listed("research")}


async def test_a_configuration_is_carried_out_on_the_registry_that_it_was_judged_by(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        ben, owner = await joined(gw, "ben@acme.dev", "admin"), await joined(gw, "ana@acme.dev", "owner")
        board = GroupDraft(group="board", organisation="owner")
        await Groups(gw.admin, Actor(owner.email, owner)).replace(GroupsDraft(groups=[board]))

        async def disown() -> None:
            await Groups(gw.admin, Actor(owner.email, owner)).replace(GroupsDraft(groups=[]))

        table = as_table(Meanwhile(gw, keys.group_mapping(), disown))
        registry = Registry(replace(gw.admin, table=table), Actor(ben.email, ben))
        mine = GroupDraft(group="mine", organisation="admin")
        with pytest.raises(Conflict):
            await registry.apply(ApplyDraft(config=ConfigDraft(groups=[board, mine])))
        assert (await gw.admin.state()).groups.record == ()


class NotTidied:
    """A store that keeps a removed member's keys from being marked."""

    def __init__(self, gw: Gateway, problem: Exception) -> None:
        self.table, self.problem = gw.table, problem

    def __getattr__(self, name: str) -> Any:
        return getattr(self.table, name)

    async def put(self, key: Any, *given: Any, **named: Any) -> None:
        if key.sk.startswith(keys.API_KEY_PREFIX):
            raise self.problem
        await self.table.put(key, *given, **named)


@pytest.mark.parametrize("problem", [Conflict("It was changed."), StoreUnavailable("Not now.")])
async def test_a_removal_that_leaves_something_in_a_list_is_a_removal(tmp_path, problem: Exception):
    async with gateway(tmp_path, {}) as gw:
        ben = await joined(gw, "ben@acme.dev", research="member")
        await gw.new_key(kind="user", subject="ben@acme.dev")
        await granted(gw, ben.id)
        admin = replace(gw.admin, table=as_table(NotTidied(gw, problem)))
        await Members(admin, ADMINISTRATOR).remove(ben.id)
        assert await gw.admin.people.get(ben.id) is None
        if isinstance(problem, Conflict):
            assert await Grants(gw.table, gw.admin.clock).of_member(ben.id) == [], "the rest is tidied all the same"


async def test_of_two_administrators_who_change_the_same_member_at_once_the_later_one_is_told(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        ben, people = await joined(gw, "ben@acme.dev", "auditor", research="member"), gw.admin.people
        await people.change(ben.id, given=replace(ben.given, organisation="member"), since=ben)
        with pytest.raises(Conflict, match="Look at them again"):
            await people.change(ben.id, given=replace(ben.given, workspaces={}), since=ben)
        after = await people.get(ben.id)
        assert after is not None
        assert (after.roles.organisation, len(after.roles.workspaces)) == ("member", 1)


async def test_a_link_made_while_somebody_is_raised_is_given_to_nobody(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        wes = await joined(gw, "wes@acme.dev", research="admin")
        new = await invited(gw, "new@acme.dev", research="member")
        parts = gw.oauth.desk.sign_in

        made: list[str] = []

        async def make_link(member_id: str, by: str) -> Link:
            await gw.admin.people.change(member_id, given=replace(new.given, organisation="admin"))
            made.append(await parts.invitations.make(member_id, by=by))
            return Link(made[0], 0)

        members = Members(replace(gw.admin, make_link=make_link, passwords=True), Actor(wes.email, wes))
        with pytest.raises(Conflict, match="at the same time"):
            await members.link(new.id)
        assert await parts.invitations.find(made[0]) is None
