"""Who may come in: known identities, invited addresses, members of mapped groups, and nobody else."""

import asyncio
from typing import Any

import pytest

from gateway_core.errors import SignInFailed
from gateway_core.registry.members import Identity, Member, Roles
from gateway_core.registry.people import Entry
from gateway_core.signin.groups import GroupMapping
from tests.flows.signing_in import Signing, built_in, with_provider
from tests.oidc import ANA

PASSWORD = "three words and a comma"
DEVELOPERS = GroupMapping("dev", None, {"ws-research": "manager"})


async def test_a_stranger_is_told_whom_to_ask(tmp_path):
    async with with_provider(tmp_path) as (signing, _):
        with pytest.raises(SignInFailed, match=r"signed in as ana@acme\.dev, which is no member here\. Ask an admin"):
            await signing.through()
        assert await signing.people.everyone() == []


async def test_an_invited_address_is_linked_at_the_first_sign_in_and_known_by_its_subject_from_then_on(tmp_path):
    async with with_provider(tmp_path) as (signing, idp):
        invited = await signing.people.add("Ana@ACME.dev", by="ben@acme.dev", given=Roles("admin"))
        member = await signing.through()
        assert (member.id, member.name, member.roles.organisation) == (invited.id, "Ana Díaz", "admin")
        assert member.identity == Identity(idp.url, ANA["sub"])
        idp.person |= {"email": "ana.diaz@elsewhere.example", "email_verified": False, "name": ""}
        again = await signing.through()
        assert (again.id, again.email, again.name) == (invited.id, "ana@acme.dev", "Ana Díaz")


@pytest.mark.parametrize("verified", [False, None, "false"])
async def test_an_address_that_is_not_verified_links_nobody(tmp_path, verified):
    async with with_provider(tmp_path) as (signing, idp):
        await signing.people.add("ana@acme.dev", by="ben@acme.dev", given=Roles("owner"))
        await signing.parts.groups.write([DEVELOPERS], version=0)
        idp.told = {"email_verified": verified, "groups": ["dev"]}
        with pytest.raises(SignInFailed, match=r"not that this address is yours\. Ask an administrator"):
            await signing.through()
        assert [member.invited for member in await signing.people.everyone()] == [True]


@pytest.mark.parametrize("told", [{"email_verified": None}, {"email_verified": False}, {"email": None}])
async def test_where_no_address_is_vouched_for_an_invitation_link_links_whoever_opens_it(tmp_path, told):
    async with with_provider(tmp_path) as (signing, idp):
        idp.told = told
        invited = await signing.people.add("boss@acme.dev", by="ben@acme.dev")
        token = await signing.parts.invitations.make(invited.id, by="ben@acme.dev")
        assert (await signing.through(invitation=token)).id == invited.id
        assert (await signing.through()).id == invited.id
        assert await signing.parts.invitations.find(token) is None


@pytest.mark.parametrize("verified", [True, "true"])
async def test_an_invitation_link_links_nobody_whose_own_address_is_another_one(tmp_path, verified):
    async with with_provider(tmp_path) as (signing, idp):
        boss = await signing.people.add("boss@acme.dev", by="ben@acme.dev", given=Roles("owner"))
        token = await signing.parts.invitations.make(boss.id, by="ben@acme.dev")
        idp.told = {"email_verified": verified}
        with pytest.raises(SignInFailed, match=r"as ana@acme\.dev.*invitation is for boss@acme\.dev\. Sign in") as told:
            await signing.through(invitation=token)
        assert told.value.reason == "invitation_of_another"
        assert [member.invited for member in await signing.people.everyone()] == [True]
        # It is not used up by that.
        idp.person |= {"sub": "the-boss", "email": "Boss@Acme.dev"}
        assert (await signing.through(invitation=token)).id == boss.id


async def test_another_subject_with_the_same_verified_address_is_not_that_member(tmp_path):
    async with with_provider(tmp_path) as (signing, idp):
        await signing.people.add("ana@acme.dev", by="ben@acme.dev")
        await signing.through()
        idp.person["sub"] = "somebody-else"
        with pytest.raises(SignInFailed, match="another account"):
            await signing.through()


async def test_a_single_owner_moves_to_another_provider_once_they_are_unlinked(tmp_path):
    async with with_provider(tmp_path) as (signing, idp):
        ana = await signing.people.add("ana@acme.dev", by="administrator", given=Roles("owner"))
        await signing.people.sign_in(ana.id, Entry(Identity("https://idp.before.example", "1")))
        with pytest.raises(SignInFailed, match=r"another account.*gatehouse members unlink ana@acme\.dev"):
            await signing.through()
        await signing.people.unlink(ana.id)
        member = await signing.through()
        assert (member.id, member.roles.organisation) == (ana.id, "owner")
        assert member.identity == Identity(idp.url, ANA["sub"])


async def test_a_mapped_group_lets_somebody_in_and_gives_its_roles(tmp_path):
    async with with_provider(tmp_path) as (signing, idp):
        await signing.parts.groups.write([DEVELOPERS, GroupMapping("ops", "auditor")], version=0)
        idp.told = {"groups": ["dev", "ops", "other"]}
        member = await signing.through()
        assert member.mapped == Roles("auditor", {"ws-research": "manager"})
        assert member.given == Roles()


async def test_a_group_that_is_lost_takes_its_role_along_and_leaves_what_administrators_gave(tmp_path):
    async with with_provider(tmp_path) as (signing, idp):
        await signing.parts.groups.write([DEVELOPERS], version=0)
        await signing.people.add("ana@acme.dev", by="ben@acme.dev", given=Roles("auditor"))
        idp.told = {"groups": ["dev"]}
        assert (await signing.through()).roles == Roles("auditor", {"ws-research": "manager"})
        idp.told = {"groups": None}
        assert (await signing.through()).roles == Roles("auditor")


async def test_a_removed_member_does_not_come_back_by_the_old_link(tmp_path):
    async with with_provider(tmp_path) as (signing, _):
        invited = await signing.people.add("ana@acme.dev", by="ben@acme.dev")
        await signing.through()
        await signing.people.remove(invited.id)
        with pytest.raises(SignInFailed, match="no member here"):
            await signing.through()


async def test_the_same_person_in_many_tabs_becomes_one_member(tmp_path):
    async with with_provider(tmp_path) as (signing, idp):
        await signing.parts.groups.write([DEVELOPERS], version=0)
        idp.told = {"groups": ["dev"]}
        results = await asyncio.gather(*(signing.through() for _ in range(3)))
        assert len({member.id for member in results}) == 1
        assert len(await signing.people.everyone()) == 1


async def test_with_a_provider_there_are_no_passwords(tmp_path):
    async with with_provider(tmp_path) as (signing, _):
        parts = signing.parts
        for attempt in (
            parts.entrance.by_password("ana@acme.dev", PASSWORD),
            parts.invitations.accept("ghi_" + "x" * 43, name="Ana", password=PASSWORD),
            parts.setup.first_owner("ghs_x", email="ana@acme.dev", name="Ana", password=PASSWORD),
        ):
            with pytest.raises(SignInFailed, match="no passwords here"):
                await attempt


async def test_on_aws_without_a_provider_nobody_can_sign_in(tmp_path):
    async with built_in(tmp_path, registry_table="registry", grants_table="grants") as signing:
        assert (signing.parts.provider, signing.parts.passwords) == (None, None)
        assert await signing.parts.setup.token() is None
        with pytest.raises(SignInFailed, match="OIDC_ISSUER"):
            await signing.parts.entrance.by_password("ana@acme.dev", PASSWORD)


async def test_a_person_with_a_password_signs_in_with_it_and_with_no_other(tmp_path):
    async with built_in(tmp_path) as signing:
        member = await owner(signing)
        entrance = signing.parts.entrance
        assert (await entrance.by_password(" Ana@Acme.DEV ", PASSWORD)).id == member.id
        signing.clock[0] += 60
        assert (await entrance.by_password("ana@acme.dev", PASSWORD)).signed_in_at == signing.clock[0]
        for wrong in ("", PASSWORD + " ", PASSWORD.upper(), PASSWORD * 100, "\ud800" * 12):
            with pytest.raises(SignInFailed, match="do not belong together"):
                await entrance.by_password("ana@acme.dev", wrong)


async def test_unknown_invited_and_wrong_have_the_same_words_and_the_same_work(tmp_path, monkeypatch):
    async with built_in(tmp_path) as signing:
        await owner(signing)
        await signing.people.add("invited@acme.dev", by="ana@acme.dev")
        passwords = signing.parts.passwords
        assert passwords is not None
        worked: list[tuple[int, int, int]] = []
        hashing = passwords._hash

        async def counted(password: str, record: Any) -> bytes:
            worked.append((record["n"], record["r"], record["p"]))
            return await hashing(password, record)

        monkeypatch.setattr(passwords, "_hash", counted)
        said = set()
        for email in ("ana@acme.dev", "invited@acme.dev", "nobody@acme.dev", "no address", "\x00", "x" * 5_000):
            with pytest.raises(SignInFailed) as caught:
                await signing.parts.entrance.by_password(email, "wrong wrong wrong")
            said.add((caught.value.message, caught.value.reason))
        assert len(said) == 1
        assert worked == [(2**15, 8, 3)] * 6


async def test_an_identity_of_a_provider_has_no_password_here(tmp_path):
    async with built_in(tmp_path) as signing:
        await signing.people.enter("eva@acme.dev", Entry(Identity("https://idp.example", "1")), by="a test")
        with pytest.raises(SignInFailed, match="do not belong together"):
            await signing.parts.entrance.by_password("eva@acme.dev", PASSWORD)


async def owner(signing: Signing, email: str = "ana@acme.dev", password: str = PASSWORD) -> Member:
    key = await signing.parts.setup.token()
    assert key is not None
    return await signing.parts.setup.first_owner(key, email=email, name="Ana", password=password)
