"""The first owner: whoever has the one-time key, once."""

import asyncio

import pytest

from gateway_core.errors import Invalid, SignInFailed
from gateway_core.registry.members import Member
from gateway_core.signin.groups import GroupMapping
from tests.flows.signing_in import Signing, built_in, with_provider

PASSWORD = "three words and a comma"
DEVELOPERS = GroupMapping("dev", None, {"ws-research": "manager"})


async def test_the_set_up_key_makes_whoever_signs_in_the_first_owner_even_without_a_verified_address(tmp_path):
    async with with_provider(tmp_path) as (signing, idp):
        idp.told = {"email_verified": None}
        key = await signing.parts.setup.token()
        member = await signing.through(setup=key)
        assert (member.email, member.roles.organisation, member.created_by) == (
            "ana@acme.dev",
            "owner",
            "the set-up link",
        )
        with pytest.raises(SignInFailed, match="first owner already"):
            await signing.through(setup=key)


async def test_the_set_up_key_lifts_a_member_who_is_known_already(tmp_path):
    async with with_provider(tmp_path) as (signing, _):
        invited = await signing.people.add("ana@acme.dev", by="ben@acme.dev")
        await signing.through()
        assert (await signing.through(setup=await signing.parts.setup.token())).id == invited.id
        assert [member.roles.organisation for member in await signing.people.everyone()] == ["owner"]


async def test_an_owner_whom_a_group_makes_closes_the_set_up_link(tmp_path):
    async with with_provider(tmp_path) as (signing, idp):
        key = await signing.parts.setup.token()
        await signing.parts.groups.write([GroupMapping("bosses", "owner")], version=0)
        idp.told = {"groups": ["bosses"]}
        assert (await signing.through()).roles.organisation == "owner"
        assert (await signing.parts.setup.is_open(), await signing.parts.setup.token()) == (False, None)
        idp.person["sub"] = "somebody-else"
        idp.person["email"] = "eve@acme.dev"
        with pytest.raises(SignInFailed, match="first owner already"):
            await signing.through(setup=key)


async def test_an_address_that_is_not_verified_does_not_take_over_an_invited_member_at_set_up(tmp_path):
    async with with_provider(tmp_path) as (signing, idp):
        await signing.people.add("ana@acme.dev", by="ben@acme.dev")
        idp.told = {"email_verified": False}
        with pytest.raises(SignInFailed, match="invited already"):
            await signing.through(setup=await signing.parts.setup.token())


async def test_without_an_address_there_is_no_first_owner(tmp_path):
    async with with_provider(tmp_path) as (signing, idp):
        idp.told = {"email": None}
        with pytest.raises(SignInFailed, match="adds the claim email"):
            await signing.through(setup=await signing.parts.setup.token())
        assert await signing.parts.setup.is_open()


@pytest.mark.parametrize(
    ("email", "password", "words"),
    [
        ("ana@acme.dev", "elevenchars", "at least 12 characters"),
        ("ana@acme.dev", "x" * 257, "at most 256 characters"),
        ("ana", PASSWORD, "not an e-mail address"),
        ("\u212aate@acme.dev", PASSWORD, "not an e-mail address"),
        ("ana@acme.dev\x00", PASSWORD, "not an e-mail address"),
    ],
)
async def test_a_first_owner_has_an_address_and_a_password_that_can_be_kept(tmp_path, email, password, words):
    async with built_in(tmp_path) as signing:
        with pytest.raises(Invalid, match=words):
            await owner(signing, email=email, password=password)
        assert await signing.parts.setup.is_open()


async def test_the_set_up_key_is_made_once_kept_and_of_no_use_afterwards(tmp_path):
    async with built_in(tmp_path) as signing:
        setup = signing.parts.setup
        key = await setup.token()
        assert key is not None
        assert (len(key), key[:4], await setup.token()) == (47, "ghs_", key)
        for wrong in ("", "ghs_", key[:-1], key + "x", key.lower(), "\ud800"):
            assert not await setup.fits(wrong)
            with pytest.raises(SignInFailed, match="not whole"):
                await setup.first_owner(wrong, email="eve@acme.dev", name="Eve", password=PASSWORD)
        assert await setup.fits(key)
        await owner(signing)
        assert (await setup.is_open(), await setup.token(), await setup.fits(key)) == (False, None, False)
        with pytest.raises(SignInFailed, match="first owner already"):
            await setup.first_owner(key, email="eve@acme.dev", name="Eve", password=PASSWORD)
        assert [member.email for member in await signing.people.everyone()] == ["ana@acme.dev"]


async def test_of_two_people_with_the_set_up_key_one_becomes_the_owner_and_the_other_nothing(tmp_path):
    async with built_in(tmp_path) as signing:
        key = await signing.parts.setup.token()
        assert key is not None
        await signing.people.add("two@acme.dev", by="administrator")
        results = await asyncio.gather(
            *(
                signing.parts.setup.first_owner(key, email=f"{who}@acme.dev", name=who, password=PASSWORD)
                for who in ("one", "two", "three", "one")
            ),
            return_exceptions=True,
        )
        winners = [result for result in results if isinstance(result, Member)]
        assert len(winners) == 1
        assert {type(result) for result in results} == {Member, SignInFailed}
        everyone = await signing.people.everyone()
        assert [m.id for m in everyone if m.roles.organisation == "owner"] == [winners[0].id]
        assert [m.email for m in everyone if not m.invited] == [winners[0].email]


async def test_an_invited_member_can_become_the_first_owner_and_one_with_a_password_is_not_taken_over(tmp_path):
    async with built_in(tmp_path) as signing:
        invited = await signing.people.add("ana@acme.dev", by="administrator")
        ben = await signing.people.add("ben@acme.dev", by="administrator")
        token = await signing.parts.invitations.make(ben.id, by="administrator")
        await signing.parts.invitations.accept(token, name="Ben", password=PASSWORD)
        with pytest.raises(Invalid, match="has a password here already"):
            await owner(signing, email="ben@acme.dev")
        assert (await owner(signing)).id == invited.id
        assert (await signing.parts.entrance.by_password("ana@acme.dev", PASSWORD)).roles.organisation == "owner"


async def test_the_first_owners_address_is_no_password_and_the_set_up_key_still_works(tmp_path):
    async with built_in(tmp_path) as signing:
        with pytest.raises(Invalid, match="Your e-mail address is no password") as told:
            await owner(signing, email="ana@acme.dev", password="Ana@acme.dev")
        assert told.value.problems[0][0] == ("password",)
        assert (await owner(signing)).roles.organisation == "owner"


async def owner(signing: Signing, email: str = "ana@acme.dev", password: str = PASSWORD) -> Member:
    key = await signing.parts.setup.token()
    assert key is not None
    return await signing.parts.setup.first_owner(key, email=email, name="Ana", password=password)
