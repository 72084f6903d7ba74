"""Invitations of the built-in sign-in: one link, one person, once."""

import asyncio

import pytest

from gateway_core.errors import Conflict, Invalid, SignInFailed
from gateway_core.registry.members import Member
from gateway_core.signin.invitations import GOOD_FOR_S
from tests.flows.signing_in import Signing, built_in

PASSWORD = "three words and a comma"


async def invited(signing: Signing) -> tuple[Member, str]:
    member = await signing.people.add("ben@acme.dev", by="ana@acme.dev")
    return member, await signing.parts.invitations.make(member.id, by="ana@acme.dev")


async def test_an_invited_person_takes_a_name_and_a_password_and_can_sign_in(tmp_path):
    async with built_in(tmp_path) as signing:
        member, token = await invited(signing)
        assert (len(token), token[:4]) == (47, "ghi_")
        assert await signing.parts.invitations.find(token) == (member, signing.clock[0] + GOOD_FOR_S, "ana@acme.dev")
        accepted = await signing.parts.invitations.accept(token, name=" Ben\u202e \tB. ", password=PASSWORD)
        assert (accepted.id, accepted.name, accepted.invited) == (member.id, "Ben B.", False)
        assert (await signing.parts.entrance.by_password("ben@acme.dev", PASSWORD)).id == member.id


async def test_the_link_is_not_in_the_store(tmp_path):
    async with built_in(tmp_path) as signing:
        _, token = await invited(signing)
        assert token.encode() not in (tmp_path / "gatehouse.db-wal").read_bytes()


async def test_a_link_works_once(tmp_path):
    async with built_in(tmp_path) as signing:
        _, token = await invited(signing)
        await signing.parts.invitations.accept(token, name="Ben", password=PASSWORD)
        assert await signing.parts.invitations.find(token) is None
        with pytest.raises(SignInFailed, match="Ask whoever invited you"):
            await signing.parts.invitations.accept(token, name="Eve", password="another twelve chars")


async def test_a_link_is_good_for_a_week_to_the_second(tmp_path):
    async with built_in(tmp_path) as signing:
        _, token = await invited(signing)
        signing.clock[0] += 7 * 86_400 - 1
        assert await signing.parts.invitations.find(token)
        signing.clock[0] += 1
        assert await signing.parts.invitations.find(token) is None


async def test_a_newer_link_replaces_the_older(tmp_path):
    async with built_in(tmp_path) as signing:
        member, older = await invited(signing)
        newer = await signing.parts.invitations.make(member.id, by="ana@acme.dev")
        assert await signing.parts.invitations.find(older) is None
        with pytest.raises(SignInFailed):
            await signing.parts.invitations.accept(older, name="Eve", password=PASSWORD)
        assert (await signing.parts.invitations.accept(newer, name="Ben", password=PASSWORD)).name == "Ben"


async def test_of_many_links_made_at_once_one_works(tmp_path):
    async with built_in(tmp_path) as signing:
        member, first = await invited(signing)
        made = await asyncio.gather(
            *(signing.parts.invitations.make(member.id, by="ana@acme.dev") for _ in range(5)), return_exceptions=True
        )
        tokens = [first, *(token for token in made if isinstance(token, str))]
        assert all(isinstance(other, str | Conflict) for other in made)
        assert sum([await signing.parts.invitations.find(token) is not None for token in tokens]) == 1


async def test_of_two_people_with_one_link_one_comes_in(tmp_path):
    async with built_in(tmp_path) as signing:
        _, token = await invited(signing)
        results = await asyncio.gather(
            *(signing.parts.invitations.accept(token, name=f"{n}", password=f"{PASSWORD} {n}") for n in range(3)),
            return_exceptions=True,
        )
        winners = [result for result in results if isinstance(result, Member)]
        assert len(winners) == 1
        assert {type(result) for result in results} == {Member, SignInFailed}
        signed = await signing.parts.entrance.by_password("ben@acme.dev", f"{PASSWORD} {winners[0].name}")
        assert signed.id == winners[0].id


async def test_a_password_that_cannot_be_used_leaves_the_link_as_it_was(tmp_path):
    async with built_in(tmp_path) as signing:
        _, token = await invited(signing)
        for password, words in (("x" * 11, "at least 12"), (" Ben@Acme.dev", "Your e-mail address is no password")):
            with pytest.raises(Invalid, match=words):
                await signing.parts.invitations.accept(token, name="Ben", password=password)
        assert await signing.parts.invitations.accept(token, name="Ben", password="x" * 12)


async def test_a_removed_member_has_no_link_any_more(tmp_path):
    async with built_in(tmp_path) as signing:
        member, token = await invited(signing)
        await signing.people.remove(member.id)
        assert await signing.parts.invitations.find(token) is None
        with pytest.raises(SignInFailed):
            await signing.parts.invitations.accept(token, name="Ben", password=PASSWORD)
        with pytest.raises(Conflict):
            await signing.parts.invitations.make(member.id, by="ana@acme.dev")


async def test_who_has_signed_in_needs_no_invitation_so_that_nobody_can_set_their_password(tmp_path):
    async with built_in(tmp_path) as signing:
        member, token = await invited(signing)
        await signing.parts.invitations.accept(token, name="Ben", password=PASSWORD)
        with pytest.raises(Invalid, match="signed in already"):
            await signing.parts.invitations.make(member.id, by="ana@acme.dev")


@pytest.mark.parametrize(
    "token", ["", "ghi_", "ghi_" + "x" * 42, "ghi_" + "x" * 44, "ghs_" + "x" * 43, "\ud800", "x" * 9_999]
)
async def test_what_is_no_link_is_nothing(tmp_path, token):
    async with built_in(tmp_path) as signing:
        assert await signing.parts.invitations.find(token) is None
        with pytest.raises(SignInFailed):
            await signing.parts.invitations.accept(token, name="Ben", password=PASSWORD)
