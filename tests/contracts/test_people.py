"""The members of the organisation, on both tables: who is found how, and what two people at once cannot do."""

import asyncio
from typing import Any

import pytest

from gateway_core.errors import Conflict, Invalid
from gateway_core.ports import ABSENT, Put, Table
from gateway_core.registry.directory import Directory
from gateway_core.registry.members import Identity, Roles, email_problem, plain_email, plain_name
from gateway_core.registry.people import Entry, People
from gateway_core.storage import keys
from tests.contracts.conftest import MovedClock

IDP = "https://idp.example"
OWNER = Roles("owner")


@pytest.fixture
async def people(table: Table, clock: MovedClock) -> People:
    await table.put(keys.organisation_head(), {"name": "Acme", "revision": "r0"})
    return People(table, clock)


async def revision(people: People) -> str:
    head = await people.table.get(keys.organisation_head())
    assert head is not None
    return str(head.data["revision"])


async def test_a_member_is_found_by_id_by_address_however_written_and_by_identity(people: People):
    added = await people.add(" Ana@Acme.Dev ", name="Ana", by="ben@acme.dev")
    assert (added.email, added.invited, added.created_by) == ("ana@acme.dev", True, "ben@acme.dev")
    assert await people.get(added.id) == await people.by_email("ANA@acme.dev") == added
    assert await people.by_identity(Identity(IDP, "1")) is None
    signed = await people.sign_in(added.id, Entry(Identity(IDP, "1"), "Ana Díaz"))
    assert await people.by_identity(Identity(IDP, "1")) == signed
    assert await people.by_identity(Identity("https://other.example", "1")) is None
    assert await people.by_identity(Identity(IDP, "\ud800".encode("utf-8", "replace").decode())) is None


async def test_an_address_has_one_member(people: People):
    await people.add("ana@acme.dev", by="ben@acme.dev")
    with pytest.raises(Conflict):
        await people.add("ANA@acme.dev", by="ben@acme.dev")
    with pytest.raises(Conflict):
        await people.enter("ana@acme.dev", Entry(Identity(IDP, "1")), by="a group")
    assert len(await people.everyone()) == 1


async def test_many_who_invite_the_same_person_at_once_invite_one(people: People):
    found = await asyncio.gather(*(people.found_or_added("ana@acme.dev", by=f"{n}") for n in range(6)))
    assert len({member.id for member in found}) == 1
    assert len(await people.everyone()) == 1


async def test_one_identity_is_one_member_even_when_two_come_in_at_once(people: People):
    identity = Identity(IDP, "1")
    results = await asyncio.gather(
        *(people.enter(f"{n}@acme.dev", Entry(identity), by="a group") for n in range(4)), return_exceptions=True
    )
    assert sum(isinstance(result, Conflict) for result in results) == 3
    assert len(await people.everyone()) == 1
    invited = await people.add("ben@acme.dev", by="ana@acme.dev")
    with pytest.raises(Conflict):
        await people.sign_in(invited.id, Entry(identity))


async def test_a_linked_member_is_nobody_else(people: People):
    added = await people.add("ana@acme.dev", by="ben@acme.dev")
    await people.sign_in(added.id, Entry(Identity(IDP, "1")))
    with pytest.raises(Conflict, match="somebody else"):
        await people.sign_in(added.id, Entry(Identity(IDP, "2")))


async def test_signing_in_keeps_what_is_known_and_replaces_what_groups_gave(people: People, clock: MovedClock):
    added = await people.add("ana@acme.dev", name="Ana", given=Roles("auditor"), by="ben@acme.dev")
    identity = Identity(IDP, "1")
    first = await people.sign_in(added.id, Entry(identity, "", Roles("member", {"ws-1": "admin"})))
    assert (first.name, first.roles, first.signed_in_at) == ("Ana", Roles("auditor", {"ws-1": "admin"}), clock.now)
    kept = await people.sign_in(added.id, Entry(identity))
    assert kept.mapped == first.mapped
    lost = await people.sign_in(added.id, Entry(identity, mapped=Roles()))
    assert lost.roles == Roles("auditor")


async def test_every_process_sees_a_change_of_roles_a_first_sign_in_and_a_removal_with_the_next_request(people: People):
    directory = Directory(people.table)
    ana = await people.enter("ana@acme.dev", Entry(Identity(IDP, "1"), given=OWNER), by="set-up")
    ben = await people.add("ben@acme.dev", by=ana.email)

    async def seen() -> Any:
        return await directory.member(ben.id, await revision(people))

    assert await seen() == ben
    signed = await people.sign_in(ben.id, Entry(Identity(IDP, "2")))
    assert await seen() == signed
    changed = await people.change(ben.id, given=Roles("admin"))
    assert await seen() == changed
    await people.remove(ben.id)
    assert await seen() is None


async def test_signing_in_again_changes_no_revision(people: People):
    ana = await people.enter("ana@acme.dev", Entry(Identity(IDP, "1")), by="a group")
    before = await revision(people)
    await people.sign_in(ana.id, Entry(Identity(IDP, "1"), mapped=Roles()))
    assert await revision(people) == before


async def test_a_removed_member_leaves_nothing_behind_and_the_address_is_free(people: People):
    await people.enter("owner@acme.dev", Entry(Identity(IDP, "0"), given=OWNER), by="set-up")
    ana = await people.enter("ana@acme.dev", Entry(Identity(IDP, "1")), by="a group")
    await people.table.put(keys.password(ana.id), {"scheme": "scrypt"})
    await people.remove(ana.id)
    assert await people.table.get(keys.password(ana.id)) is None
    assert (await people.by_email("ana@acme.dev"), await people.by_identity(Identity(IDP, "1"))) == (None, None)
    with pytest.raises(Conflict, match="gone"):
        await people.remove(ana.id)
    with pytest.raises(Conflict, match="gone"):
        await people.sign_in(ana.id, Entry(Identity(IDP, "1")))
    assert (await people.enter("ana@acme.dev", Entry(Identity(IDP, "1")), by="a group")).id != ana.id


async def test_what_belongs_to_a_change_happens_with_it_or_not_at_all(people: People):
    ana = await people.add("ana@acme.dev", by="ben@acme.dev")
    marked = Put(keys.first_owner(), {}, ABSENT)
    await people.sign_in(ana.id, Entry(Identity(IDP, "1")), also=[marked])
    with pytest.raises(Conflict):
        await people.change(ana.id, given=OWNER, also=[marked])
    with pytest.raises(Conflict):
        await people.enter("ben@acme.dev", Entry(Identity(IDP, "2")), by="set-up", also=[marked])
    assert [member.roles for member in await people.everyone()] == [Roles()]


async def test_the_last_owner_can_neither_be_removed_nor_made_less(people: People):
    ana = await people.enter("ana@acme.dev", Entry(Identity(IDP, "1"), given=OWNER), by="set-up")
    await people.add("invited@acme.dev", given=OWNER, by=ana.email)
    await people.enter("grouped@acme.dev", Entry(Identity(IDP, "2"), mapped=OWNER), by="a group")
    for attempt in (people.remove(ana.id), people.change(ana.id, given=Roles("admin"))):
        with pytest.raises(Invalid, match=r"ana@acme\.dev is the last owner"):
            await attempt
    await people.change(ana.id, given=Roles("owner", {"ws-1": "admin"}))
    ben = await people.enter("ben@acme.dev", Entry(Identity(IDP, "3"), given=OWNER), by="set-up")
    await people.change(ana.id, given=Roles("admin"))
    with pytest.raises(Invalid):
        await people.remove(ben.id)


async def test_an_owner_who_never_signed_in_can_be_removed(people: People):
    invited = await people.add("ana@acme.dev", given=OWNER, by="administrator")
    await people.remove(invited.id)
    assert await people.everyone() == []


@pytest.mark.parametrize("how", ["remove", "change"])
async def test_two_owners_who_take_each_other_away_at_the_same_time_leave_one(people: People, how: str):
    owners = [
        await people.enter(f"{n}@acme.dev", Entry(Identity(IDP, f"{n}"), given=OWNER), by="set-up") for n in range(2)
    ]
    for _ in range(2):
        await asyncio.gather(
            *(
                people.remove(owner.id) if how == "remove" else people.change(owner.id, given=Roles())
                for owner in owners
            ),
            return_exceptions=True,
        )
        assert [member.given for member in await people.everyone()].count(OWNER) == 1


async def test_everyone_is_listed_over_many_pages_by_address(people: People, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("gateway_core.registry.people._PAGE", 2)
    for n in (3, 1, 4, 0, 2):
        await people.add(f"{n}@acme.dev", by="ana@acme.dev")
    assert [member.email for member in await people.everyone()] == [f"{n}@acme.dev" for n in range(5)]


LONGEST = f"{'x' * 64}@{'y' * 63}.{'y' * 63}.{'y' * 61}"


@pytest.mark.parametrize("email", ["a@b", "Ana+tag@sub.acme.dev", "o'neil@acme.dev", LONGEST])
def test_usual_addresses_are_addresses(email: str):
    assert email_problem(email) is None


@pytest.mark.parametrize(
    "email",
    [
        "", "@", "ana", "ana@", "@acme.dev", "a b@acme.dev", "a@b@c", "ana@acme..dev", "ana@-acme.dev", "ana@acme.dev.",
        "ana\n@acme.dev", "ana@acme.dev\x00", "ana\u202e@acme.dev", "<ana@acme.dev>", "ana@[127.0.0.1]", "áná@acme.dev",
        "\u212aate@acme.dev", "ana@acme\u3002dev", f"{LONGEST}z", "x" * 65 + "@acme.dev", "\ud800@acme.dev",
    ],
)  # fmt: skip
async def test_what_is_no_address_is_nobodys(people: People, email: str):
    assert email_problem(email) is not None
    assert await people.by_email(email) is None
    with pytest.raises(Invalid, match="not an e-mail address"):
        await people.found_or_added(email, by="ana@acme.dev")


def test_letters_that_only_look_alike_stay_what_they_are():
    assert plain_email(" KATE@Acme.Dev ") == "kate@acme.dev"
    assert plain_email("\u212aate@acme.dev") != "kate@acme.dev"


@pytest.mark.parametrize(
    ("text", "name"),
    [("  Ana \t Díaz\n", "Ana Díaz"), ("a\u202eb", "a b"), ("\x00", ""), ("x" * 500, "x" * 100), ("\ud800a", "a")],
)
def test_a_name_is_one_line_of_visible_text(text: str, name: str):
    assert plain_name(text) == name


@pytest.mark.parametrize("how", ["enters", "signs_in", "by_a_group", "is_made_one"])
async def test_the_first_owner_who_has_signed_in_is_noted_however_they_became_one(people: People, how: str):
    eva = await people.add("eva@acme.dev", given=OWNER, by="administrator")
    ana = await people.enter("ana@acme.dev", Entry(Identity(IDP, "1")), by="a group")
    await people.change(eva.id, given=OWNER)
    assert await people.table.get(keys.first_owner()) is None, "nobody who is an owner has signed in"
    if how == "enters":
        await people.enter("ben@acme.dev", Entry(Identity(IDP, "2"), mapped=OWNER), by="a group")
    elif how == "signs_in":
        await people.sign_in(eva.id, Entry(Identity(IDP, "2")))
    elif how == "by_a_group":
        await people.sign_in(ana.id, Entry(Identity(IDP, "1"), mapped=OWNER))
    else:
        await people.change(ana.id, given=OWNER)
    noted = await people.table.get(keys.first_owner())
    assert noted is not None
    await people.sign_in(ana.id, Entry(Identity(IDP, "1")))
    assert await people.table.get(keys.first_owner()) == noted, "noted once"


async def test_owners_who_come_in_at_the_same_moment_all_come_in(people: People):
    await asyncio.gather(
        *(people.enter(f"{n}@acme.dev", Entry(Identity(IDP, f"{n}"), mapped=OWNER), by="a group") for n in range(4))
    )
    assert len(await people.everyone()) == 4


async def test_an_unlinked_member_keeps_all_but_the_way_in_and_what_its_groups_gave(people: People):
    await people.enter("owner@acme.dev", Entry(Identity(IDP, "0"), given=OWNER), by="set-up")
    old, new = Identity(IDP, "1"), Identity("https://other.example", "x")
    ana = await people.enter("ana@acme.dev", Entry(old, "Ana", Roles("admin"), Roles("auditor")), by="a group")
    await people.table.put(keys.password(ana.id), {"scheme": "scrypt"})
    directory = Directory(people.table)
    assert await directory.member(ana.id, await revision(people)) == ana
    unlinked = await people.unlink(ana.id, since=ana)
    assert (unlinked.id, unlinked.name, unlinked.invited, unlinked.roles) == (ana.id, "Ana", True, Roles("auditor"))
    assert await directory.member(ana.id, await revision(people)) == unlinked
    assert (await people.by_identity(old), await people.by_email("ana@acme.dev")) == (None, unlinked)
    assert await people.table.get(keys.password(ana.id)) is None
    assert (await people.sign_in(ana.id, Entry(new))).identity == new
    assert await people.by_identity(new) is not None
    assert (await people.enter("eve@acme.dev", Entry(old), by="a group")).id != ana.id


async def test_who_is_not_linked_was_changed_or_is_gone_cannot_be_unlinked(people: People):
    ana = await people.add("ana@acme.dev", by="administrator")
    with pytest.raises(Conflict, match="has not signed in"):
        await people.unlink(ana.id)
    await people.sign_in(ana.id, Entry(Identity(IDP, "1")))
    await people.change(ana.id, given=Roles("admin"))
    with pytest.raises(Conflict, match="at the same time"):
        await people.unlink(ana.id, since=ana)
    with pytest.raises(Conflict, match="gone"):
        await people.unlink("p-22222222")


async def test_the_last_owner_can_be_unlinked_where_nothing_else_is_asked_for(people: People):
    ana = await people.enter("ana@acme.dev", Entry(Identity(IDP, "1"), given=OWNER), by="set-up")
    with pytest.raises(Invalid, match="last owner"):
        await people.unlink(ana.id, also=await people.another_owner(ana))
    await people.unlink(ana.id)
    assert (await people.sign_in(ana.id, Entry(Identity(IDP, "2")))).roles == OWNER
