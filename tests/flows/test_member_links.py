"""What becomes of the link that somebody was sent, when their roles change before they join."""

from dataclasses import replace
from typing import Any

import pytest

from gateway_core.access.roles import ADMINISTRATOR
from gateway_core.access.throttle import INVITE_ACCOUNT
from gateway_core.admin.checked.members import Members
from gateway_core.admin.drafts import RolesDraft
from gateway_core.errors import Conflict
from gateway_core.storage import keys
from tests.flows.actors import admin_key, ask, granted, invited, joined
from tests.flows.browsers import Browser
from tests.flows.gateways import Gateway, gateway


async def sent(gw: Gateway, email: str, **body: Any) -> tuple[str, str]:
    """Id and link of somebody who was just invited."""
    made = (await ask(gw, await admin_key(gw), "POST", "/members", {"email": email, **body})).json()
    return made["id"], made["link"]


async def opens(gw: Gateway, link: str) -> bool:
    browser = Browser(gw.front)
    status = (await browser.open(link)).status
    await browser.close()
    return status == 200


NO_MORE: dict[str, dict[str, Any]] = {
    "nothing else": {"organisation": "auditor"},
    "what they have": {"workspaces": {"research": "manager"}},
    "less": {"organisation": "member"},
    "less in a workspace": {"workspaces": {"research": "member"}},
    "one workspace less": {"workspaces": {"research": None}},
    "a workspace less that they never had": {"workspaces": {"sales": None}},
}


@pytest.mark.parametrize("how", NO_MORE)
async def test_a_link_goes_on_working_where_somebody_may_no_more_than_before(tmp_path, how: str):
    async with gateway(tmp_path, {}) as gw:
        new, link = await sent(gw, "new@acme.dev", organisation="auditor", workspaces={"research": "manager"})
        changed = await ask(gw, await admin_key(gw), "PATCH", f"/members/{new}", NO_MORE[how])
        assert (changed.status_code, changed.json()["next"]) == (200, None)
        assert await opens(gw, link)


async def test_a_change_of_roles_that_changes_nothing_writes_nothing(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        ben, before = await joined(gw, "ben@acme.dev", "auditor"), await gw.admin.state()
        await ask(gw, await admin_key(gw), "PATCH", f"/members/{ben.id}", {"organisation": "auditor"})
        assert (await gw.admin.state()).head_version == before.head_version


@pytest.mark.parametrize("body", [{}, {"organisation": None}, {"workspaces": {}}])
async def test_a_change_of_roles_that_names_none_is_refused(tmp_path, body: dict[str, Any]):
    async with gateway(tmp_path, {}) as gw:
        new, link = await sent(gw, "new@acme.dev", workspaces={"research": "member"})
        _, token = await granted(gw, (await joined(gw, "wes@acme.dev", research="manager", sales="admin")).id)
        refused = await ask(gw, token, "PATCH", f"/members/{new}", body)
        assert (refused.status_code, "say what to change" in refused.text) == (422, True)
        assert await opens(gw, link)


async def test_whoever_raises_somebody_hears_that_their_link_has_ended_and_how_to_make_a_new_one(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        key, words = await admin_key(gw), "Their link has ended, since they may do more now; make a new one: "
        new, link = await sent(gw, "new@acme.dev", workspaces={"research": "member"})
        changed = await ask(gw, key, "PATCH", f"/members/{new}", {"organisation": "auditor"})
        assert changed.json()["next"] == f"{words}gatehouse members link new@acme.dev"
        assert not await opens(gw, link)
        # There is none any more that could end.
        again = await ask(gw, key, "PATCH", f"/members/{new}", {"organisation": "admin"})
        assert again.json()["next"] is None


async def test_an_address_that_a_shell_would_read_otherwise_stands_in_quotes(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        new, _ = await sent(gw, "a&b@acme.dev")
        changed = await ask(gw, await admin_key(gw), "PATCH", f"/members/{new}", {"organisation": "auditor"})
        assert changed.json()["next"].endswith("gatehouse members link 'a&b@acme.dev'")


async def test_a_key_ends_its_owners_link_only_where_it_takes_them_into_a_workspace_and_says_so(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        key = await admin_key(gw)
        _, link = await sent(gw, "new@acme.dev", workspaces={"research": "member"})
        body = {"workspace": "research", "kind": "user", "subject": "new@acme.dev"}
        assert (await ask(gw, key, "POST", "/keys", body)).json()["next"] is None
        assert await opens(gw, link)
        other = await ask(gw, key, "POST", "/keys", {**body, "workspace": "sales"})
        assert other.json()["next"].startswith("Their link has ended")
        assert not await opens(gw, link)


async def test_an_invitation_that_raises_somebody_and_gives_no_link_says_that_the_one_before_has_ended(tmp_path):
    issuer = "https://idp.example.com"
    async with gateway(tmp_path, {}, oidc_issuer=issuer, oidc_client_id="gatehouse") as gw:
        key, new = await admin_key(gw), await invited(gw, "new@acme.dev")
        await ask(gw, key, "POST", f"/members/{new.id}/invitation")
        same = await ask(gw, key, "POST", "/members", {"email": "new@acme.dev"})
        assert same.json()["next"].startswith("They sign in with the identity provider")
        more = await ask(gw, key, "POST", "/members", {"email": "new@acme.dev", "organisation": "auditor"})
        assert (more.json()["link"], more.json()["next"][:19]) == (None, "Their link has ende")


async def test_who_makes_links_without_end_is_held_back(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        key, new = await admin_key(gw), await invited(gw, "new@acme.dev")
        for _ in range(INVITE_ACCOUNT.times):
            assert (await ask(gw, key, "POST", f"/members/{new.id}/invitation")).status_code == 200
        assert (await ask(gw, key, "POST", f"/members/{new.id}/invitation")).status_code == 429


class LinkMeanwhile:
    """A store in which somebody makes a member's first link just before their roles are written."""

    def __init__(self, gw: Gateway, member_id: str) -> None:
        self.gw, self.member_id, self.made = gw, member_id, ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.gw.table, name)

    async def transact(self, writes: Any) -> None:
        if any(write.key == keys.member(self.member_id) for write in writes):
            self.made = await self.gw.oauth.desk.sign_in.invitations.make(self.member_id, by="wes")
        await self.gw.table.transact(writes)


async def test_somebody_is_not_raised_past_a_link_that_is_made_at_that_moment(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        new = await invited(gw, "new@acme.dev", research="member")
        meanwhile = LinkMeanwhile(gw, new.id)
        members = Members(replace(gw.admin, table=meanwhile), ADMINISTRATOR)
        with pytest.raises(Conflict):
            await members.change(new.id, RolesDraft(organisation="admin"))
        assert await gw.admin.people.get(new.id) == new
        found = await gw.oauth.desk.sign_in.invitations.find(meanwhile.made)
        assert found is not None
        assert found[0] == new
