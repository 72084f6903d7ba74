"""API keys in the name of a person: who may make one for whom."""

from dataclasses import replace
from typing import Any

import pytest

from gateway_core.admin.drafts import KeyDraft
from gateway_core.errors import Conflict
from gateway_core.storage import keys
from tests.flows.actors import admin_key, ask, granted, joined
from tests.flows.gateways import Gateway, gateway


async def test_a_workspaces_admin_makes_no_key_in_the_name_of_somebody_who_may_more(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        admin = await joined(gw, "ben@acme.dev", research="admin")
        token = (await granted(gw, admin.id))[1]
        await joined(gw, "ana@acme.dev", "owner")
        await joined(gw, "max@acme.dev", research="member", sales="member")
        await joined(gw, "zoe@acme.dev", research="member")
        body = {"workspace": "research", "kind": "user"}
        for email in ("ana@acme.dev", "max@acme.dev"):
            refused = await ask(gw, token, "POST", "/keys", {**body, "subject": email})
            assert (refused.status_code, refused.json()["title"]) == (403, "not_allowed")
            assert f"A key for {email} would let its holder act as somebody with roles beyond yours" in refused.text
        for email in ("zoe@acme.dev", "ben@acme.dev", "new@acme.dev"):
            assert (await ask(gw, token, "POST", "/keys", {**body, "subject": email})).status_code == 201


async def test_a_key_for_an_address_makes_a_member_who_is_invited_to_the_workspace(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        key = await admin_key(gw)
        body = {"workspace": "sales", "kind": "user", "subject": "Zoe@acme.dev"}
        made = (await ask(gw, key, "POST", "/keys", body)).json()
        zoe = await gw.admin.people.by_email("zoe@acme.dev")
        assert zoe is not None
        assert (zoe.invited, zoe.created_by, made["member_id"], made["subject"]) == (
            True, "administrator", zoe.id, "zoe@acme.dev",
        )  # fmt: skip
        assert list(zoe.roles.workspaces.values()) == ["member"]
        # Who is there already keeps what they have.
        boss = await joined(gw, "ana@acme.dev", "owner")
        manager = await joined(gw, "max@acme.dev", sales="manager")
        for email, before in (("ana@acme.dev", boss), ("max@acme.dev", manager)):
            await ask(gw, key, "POST", "/keys", {**body, "subject": email})
            after = await gw.admin.people.by_email(email)
            assert after is not None
            assert after.given == before.given
        count = len(await gw.admin.people.everyone())
        await ask(gw, key, "POST", "/keys", {**body, "kind": "service", "subject": "ci"})
        assert len(await gw.admin.people.everyone()) == count


async def test_a_key_for_what_is_no_address_is_refused_with_the_field(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        body = {"workspace": "sales", "kind": "user", "subject": "zoe"}
        answer = await ask(gw, await admin_key(gw), "POST", "/keys", body)
        assert answer.status_code == 422
        assert answer.json()["problems"][0]["path"] == ["subject"]
        assert await gw.admin.people.everyone() == []


class RemovedMeanwhile:
    """A store in which somebody else removes a member just before a key is written."""

    def __init__(self, gw: Gateway, member_id: str) -> None:
        self.gw, self.member_id = gw, member_id

    def __getattr__(self, name: str) -> Any:
        return getattr(self.gw.table, name)

    async def transact(self, writes: Any) -> None:
        if any(write.key.sk.startswith(keys.API_KEY_PREFIX) for write in writes):
            await self.gw.admin.people.remove(self.member_id)
        await self.gw.table.transact(writes)


async def test_a_key_is_not_made_for_somebody_who_is_removed_at_that_moment(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        ben = await joined(gw, "ben@acme.dev", research="member")
        admin = replace(gw.admin, table=RemovedMeanwhile(gw, ben.id))
        draft = KeyDraft(workspace="research", kind="user", subject="ben@acme.dev")
        before = (await ask(gw, await admin_key(gw), "GET", "/keys")).json()
        with pytest.raises(Conflict):
            await admin.create_key(draft, by="test")
        assert (await ask(gw, await admin_key(gw), "GET", "/keys")).json() == before
