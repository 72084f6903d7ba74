"""Members through the admin API: invited, joined, given roles, removed."""

from typing import Any

import pytest

from gateway_core.access.throttle import INVITE_ACCOUNT
from tests.flows.actors import admin_key, ask, granted, invited, joined
from tests.flows.browsers import PASSWORD, Browser
from tests.flows.gateways import Gateway, call, gateway
from tests.flows.upstreams import upstream, weather


async def as_(gw: Gateway, email: str, organisation: Any = "member", **workspaces: Any) -> str:
    """A token of somebody who has joined."""
    member = await joined(gw, email, organisation, **workspaces)
    return (await granted(gw, member.id))[1]


async def test_an_invitation_gives_a_link_and_whoever_opens_it_joins_with_a_password_of_their_own(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        key, browser = await admin_key(gw), Browser(gw.front)
        body = {"email": " Ben@Acme.dev ", "name": "Ben Okri", "workspaces": {"research": "manager"}}
        made = await ask(gw, key, "POST", "/members", body)
        assert made.status_code == 201
        told = made.json()
        assert (told["email"], told["name"], told["invited"]) == ("ben@acme.dev", "Ben Okri", True)
        assert told["roles"] == {"organisation": "member", "workspaces": {"research": "manager"}}
        assert told["created_by"] == "administrator"
        assert "Send them this link" in told["next"]
        page = await browser.open(told["link"])
        done = await browser.submit(page, "/oauth/join", password=PASSWORD, again=PASSWORD, name="Ben Okri")
        assert "ben@acme.dev" in done.text
        after = (await ask(gw, key, "GET", f"/members/{told['id']}")).json()
        assert after["invited"] is False
        assert after["signed_in_at"] == gw.clock[0]
        # It is spent, and there is no other for somebody who has joined.
        again = await Browser(gw.front).open(told["link"])
        assert again.status == 403
        late = await ask(gw, key, "POST", f"/members/{told['id']}/invitation")
        assert (late.status_code, "has joined already" in late.json()["detail"]) == (409, True)
        await browser.close()


async def test_a_new_link_takes_the_place_of_the_one_before(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        key, browser = await admin_key(gw), Browser(gw.front)
        first = (await ask(gw, key, "POST", "/members", {"email": "ben@acme.dev"})).json()
        second = (await ask(gw, key, "POST", f"/members/{first['id']}/invitation")).json()
        assert first["link"] != second["link"]
        assert (await browser.open(first["link"])).status == 403
        assert (await browser.open(second["link"])).status == 200
        await browser.close()


async def test_where_an_identity_provider_signs_people_in_an_invitation_says_that_they_just_sign_in(tmp_path):
    issuer = "https://idp.example.com"
    async with gateway(tmp_path, {}, oidc_issuer=issuer, oidc_client_id="gatehouse") as gw:
        key = await admin_key(gw)
        made = (await ask(gw, key, "POST", "/members", {"email": "ben@acme.dev"})).json()
        assert made["link"] is None
        assert made["next"].startswith("They sign in with the identity provider")
        assert made["next"].endswith("send them a link: gatehouse members link ben@acme.dev")
        # Asked for by name there is one, for somebody whose address the provider does not vouch for.
        asked = (await ask(gw, key, "POST", f"/members/{made['id']}/invitation")).json()
        assert "/oauth/join?token=ghi_" in asked["link"]
        assert "signs in with the identity provider becomes this member" in asked["next"]


async def test_inviting_a_member_adds_roles_and_takes_none(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        key = await admin_key(gw)
        await joined(gw, "ben@acme.dev", "auditor", research="manager")
        body = {"email": "ben@acme.dev", "workspaces": {"research": "member", "sales": "member"}}
        told = (await ask(gw, key, "POST", "/members", body)).json()
        wanted = {"organisation": "auditor", "workspaces": {"research": "manager", "sales": "member"}}
        assert told["roles"] == wanted
        assert told["link"] is None
        assert told["next"] == "They have joined already, and sign in as always."


async def test_roles_change_from_the_next_request_on_and_what_is_not_named_stays(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        key, ben = await admin_key(gw), await joined(gw, "ben@acme.dev", research="admin", sales="member")
        _, token = await granted(gw, ben.id)
        assert (await ask(gw, token, "GET", "/keys?workspace=research")).status_code == 200
        changed = await ask(gw, key, "PATCH", f"/members/{ben.id}", {"workspaces": {"research": None}})
        assert changed.json()["roles"] == {"organisation": "member", "workspaces": {"sales": "member"}}
        assert (await ask(gw, token, "GET", "/keys?workspace=research")).status_code == 403
        risen = await ask(gw, key, "PATCH", f"/members/{ben.id}", {"organisation": "auditor"})
        assert risen.json()["roles"] == {"organisation": "auditor", "workspaces": {"sales": "member"}}


async def test_only_an_owner_makes_or_unmakes_owners(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        owner, admin = await as_(gw, "ana@acme.dev", "owner"), await as_(gw, "ben@acme.dev", "admin")
        other, invited_owner = await joined(gw, "eve@acme.dev", "owner"), await invited(gw, "new@acme.dev", "owner")
        member = await joined(gw, "max@acme.dev")
        refused = [
            await ask(gw, admin, "POST", "/members", {"email": "x@acme.dev", "organisation": "owner"}),
            await ask(gw, admin, "PATCH", f"/members/{member.id}", {"organisation": "owner"}),
            await ask(gw, admin, "PATCH", f"/members/{other.id}", {"organisation": "member"}),
            await ask(gw, admin, "DELETE", f"/members/{other.id}"),
        ]
        for answer in refused:
            assert answer.status_code == 403
            assert "Only an owner of the organisation makes somebody an owner" in answer.json()["detail"]
        # Whoever has the link of an invited owner is one.
        link = await ask(gw, admin, "POST", f"/members/{invited_owner.id}/invitation")
        assert (link.status_code, "may do more than you" in link.json()["detail"]) == (403, True)
        asked = await ask(gw, admin, "POST", "/members", {"email": "new@acme.dev"})
        assert (asked.status_code, asked.json()["link"]) == (201, None)
        assert "Somebody whose roles cover all of theirs" in asked.json()["next"]
        # An admin makes admins, and an owner owners.
        assert (await ask(gw, admin, "PATCH", f"/members/{member.id}", {"organisation": "admin"})).status_code == 200
        assert (await ask(gw, owner, "PATCH", f"/members/{member.id}", {"organisation": "owner"})).status_code == 200
        assert (await ask(gw, owner, "DELETE", f"/members/{other.id}")).status_code == 204


async def test_the_last_owner_stays(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        key, ana = await admin_key(gw), await joined(gw, "ana@acme.dev", "owner")
        await invited(gw, "new@acme.dev", "owner")
        for method, body in (("DELETE", None), ("PATCH", {"organisation": "admin"})):
            answer = await ask(gw, key, method, f"/members/{ana.id}", body)
            assert answer.status_code == 422
            assert "ana@acme.dev is the last owner. Make somebody else an owner first" in answer.json()["detail"]
        await joined(gw, "eve@acme.dev", "owner")
        assert (await ask(gw, key, "DELETE", f"/members/{ana.id}")).status_code == 204


async def test_a_workspaces_admin_gives_roles_in_that_workspace_alone(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        admin = await as_(gw, "wes@acme.dev", research="admin", sales="member")
        for body, status, words in (
            ({"email": "a@acme.dev", "workspaces": {"research": "admin"}}, 201, ""),
            ({"email": "b@acme.dev"}, 403, "An owner or admin of the organisation"),
            ({"email": "b@acme.dev", "organisation": "auditor", "workspaces": {"research": "member"}}, 403, "An owner"),
            ({"email": "b@acme.dev", "workspaces": {"research": "member", "sales": "member"}}, 403, "admin of the wor"),
            ({"email": "b@acme.dev", "workspaces": {"support": "member"}}, 422, "(there is: research, sales)"),
        ):
            answer = await ask(gw, admin, "POST", "/members", body)
            assert (answer.status_code, words in answer.text) == (status, True), answer.text
        people = {member.email for member in await gw.admin.people.everyone()}
        assert people == {"wes@acme.dev", "a@acme.dev"}


async def test_a_workspaces_admin_gets_no_link_to_somebody_who_may_more_elsewhere(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        admin = await as_(gw, "wes@acme.dev", research="admin")
        both = await invited(gw, "both@acme.dev", research="member", sales="admin")
        answer = await ask(gw, admin, "POST", f"/members/{both.id}/invitation")
        assert (answer.status_code, "may do more than you" in answer.json()["detail"]) == (403, True)
        again = await ask(gw, admin, "POST", "/members", {"email": both.email, "workspaces": {"research": "manager"}})
        assert (again.status_code, again.json()["link"]) == (201, None)
        # Nor do they see what role it is, or where.
        assert again.json()["roles"]["workspaces"] == {"research": "manager"}


async def test_raising_somebody_who_has_not_joined_ends_the_links_that_were_made_before(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        key, admin = await admin_key(gw), await as_(gw, "wes@acme.dev", research="admin")
        browser = Browser(gw.front)
        body = {"email": "new@acme.dev", "workspaces": {"research": "member"}}
        link = (await ask(gw, admin, "POST", "/members", body)).json()["link"]
        person = (await gw.admin.people.by_email("new@acme.dev")).id  # type: ignore[union-attr]
        await ask(gw, key, "PATCH", f"/members/{person}", {"workspaces": {"research": "manager"}})
        assert (await browser.open(link)).status == 403
        await browser.close()


async def test_a_removed_members_logins_keys_and_grants_are_refused_at_once_and_gone_from_the_lists(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        key, ben = await admin_key(gw), await joined(gw, "ben@acme.dev", research="member")
        token, key_id = await gw.new_key(kind="user", subject="ben@acme.dev")
        grant, admin_token = await granted(gw, ben.id)
        session = await gw.oauth.desk.sign_in.sessions.start(ben.id)
        assert (await gw.post("/weather/mcp", call(), token)).status_code == 200
        assert (await ask(gw, admin_token, "GET", "/me")).status_code == 200
        assert await gw.oauth.desk.sign_in.sessions.find(session) is not None
        assert (await ask(gw, key, "DELETE", f"/members/{ben.id}")).status_code == 204
        assert (await gw.post("/weather/mcp", call(), token)).status_code == 401
        assert (await ask(gw, admin_token, "GET", "/me")).status_code == 401
        assert await gw.oauth.desk.sign_in.sessions.find(session) is None
        listed = {each["id"]: each for each in (await ask(gw, key, "GET", "/keys")).json()["keys"]}
        assert listed[key_id]["revoked_by"] == "administrator"
        assert grant.id not in (await ask(gw, key, "GET", "/grants")).text
        assert (await ask(gw, key, "GET", f"/members/{ben.id}")).status_code == 404
        # The same address is somebody new: nothing of before comes back.
        await joined(gw, "ben@acme.dev", research="member")
        assert (await gw.post("/weather/mcp", call(), token)).status_code == 401


async def test_who_invites_without_end_is_held_back_and_told_until_when(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        key, other = await admin_key(gw), await as_(gw, "ana@acme.dev", "owner")
        for _ in range(INVITE_ACCOUNT.times):
            assert (await ask(gw, key, "POST", "/members", {"email": "ben@acme.dev"})).status_code == 201
        late = await ask(gw, key, "POST", "/members", {"email": "ben@acme.dev"})
        assert late.status_code == 429
        assert 0 < int(late.headers["retry-after"]) <= INVITE_ACCOUNT.window_s
        assert (await ask(gw, other, "POST", "/members", {"email": "ben@acme.dev"})).status_code == 201
        gw.clock[0] += INVITE_ACCOUNT.window_s
        assert (await ask(gw, key, "POST", "/members", {"email": "ben@acme.dev"})).status_code == 201


@pytest.mark.parametrize("how", ["invited", "raised"])
async def test_the_set_up_link_is_dead_once_an_owner_has_signed_in_who_came_another_way(tmp_path, how):
    async with gateway(tmp_path, {}) as gw:
        key, browser, other = await admin_key(gw), Browser(gw.front), Browser(gw.front)
        link = await gw.oauth.setup_link()
        assert link is not None
        opened = await other.open(link)
        body = {"email": "ana@acme.dev", "organisation": "owner" if how == "invited" else "member"}
        told = (await ask(gw, key, "POST", "/members", body)).json()
        assert (await other.open(link)).status == 200, "nobody has signed in yet"
        await browser.submit(await browser.open(told["link"]), "/oauth/join", password=PASSWORD, name="Ana")
        if how == "raised":
            assert (await ask(gw, key, "PATCH", f"/members/{told['id']}", {"organisation": "owner"})).status_code == 200
        assert await gw.oauth.setup_link() is None
        late = await other.submit(opened, "/oauth/setup", name="Eve", email="eve@evil.example", password=PASSWORD)
        for page in (late, await other.open(link)):
            assert (page.status, "This set-up link does not work" in page.text) == (403, True)
        assert [member.email for member in await gw.admin.people.everyone()] == ["ana@acme.dev"]
        await browser.close()
        await other.close()


async def test_a_single_owner_who_forgot_the_password_joins_again_by_a_link_and_keeps_what_is_theirs(tmp_path):
    async with upstream(weather) as server, gateway(tmp_path, {"weather": server.url}) as gw:
        key, before, after = await admin_key(gw), Browser(gw.front), Browser(gw.front)
        page = await before.open(await gw.oauth.setup_link() or "")
        await before.submit(page, "/oauth/setup", name="Ana", email="ana@acme.dev", password=PASSWORD)
        (ana,) = await gw.admin.people.everyone()
        own, _ = await gw.new_key(kind="user", subject="ana@acme.dev")
        told = (await ask(gw, key, "POST", f"/members/{ana.id}/unlink")).json()
        assert (told["id"], told["invited"], told["roles"]["organisation"]) == (ana.id, True, "owner")
        assert told["next"] == (
            f"They join again by a link, which you make and send them: gatehouse members link {told['email']}"
        )
        assert (await before.open("/oauth/account")).text.startswith("Sign in")
        assert (await gw.post("/weather/mcp", call(), key=own)).status_code == 200
        assert await gw.oauth.setup_link() is None, "a gateway with an owner has no set-up link"
        link = (await ask(gw, key, "POST", f"/members/{ana.id}/invitation")).json()["link"]
        done = await after.submit(await after.open(link), "/oauth/join", name="", password="another sentence of words")
        assert "Signed in as Ana , ana@acme.dev" in done.text
        page = await before.open("/oauth/signin")
        assert (await before.submit(page, "/oauth/signin", email="ana@acme.dev", password=PASSWORD)).status == 403
        await before.close()
        await after.close()


async def test_who_may_do_less_than_somebody_does_not_unlink_them_and_the_last_owner_not_themselves(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        owner, admin = await joined(gw, "ana@acme.dev", "owner"), await as_(gw, "ben@acme.dev", "admin")
        _, own = await granted(gw, owner.id)
        refused = await ask(gw, admin, "POST", f"/members/{owner.id}/unlink")
        assert (refused.status_code, "may do more than you" in refused.json()["detail"]) == (403, True)
        last = await ask(gw, own, "POST", f"/members/{owner.id}/unlink")
        assert (last.status_code, "is the last owner" in last.json()["detail"]) == (422, True)
        await joined(gw, "eve@acme.dev", "owner")
        assert (await ask(gw, own, "POST", f"/members/{owner.id}/unlink")).status_code == 200
        again = await ask(gw, own, "POST", f"/members/{owner.id}/unlink")
        assert (again.status_code, "has not signed in" in again.json()["detail"]) == (409, True)


REFUSED: dict[str, tuple[Any, str, Any, str]] = {
    "removing": ("member", "DELETE", None, "An owner or admin of the organisation can do it. Only an owner makes, "),
    "roles by a manager": (
        "manager", "PATCH", {"organisation": "owner"},
        "or an admin of the workspace can do it. Only an owner makes, changes or removes an owner.",
    ),
    "an owner made by a workspace's admin": (
        "admin", "PATCH", {"organisation": "owner"}, "Only an owner of the organisation makes somebody an owner",
    ),
    "a role in the organisation by a workspace's admin": (
        "admin", "PATCH", {"organisation": "auditor"}, "do not cover this. An owner or admin of the organisation can",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
async def test_a_refusal_names_whose_roles_cover_what_was_refused(tmp_path, what: str):
    role, method, body, words = REFUSED[what]
    async with gateway(tmp_path, {}) as gw:
        await joined(gw, "ben@acme.dev", research="member")
        _, token = await granted(gw, (await joined(gw, "wes@acme.dev", research=role)).id)
        # By address, as the command line asks: a look-up before would be refused in its own words.
        answer = await ask(gw, token, method, "/members/ben@acme.dev", body)
        assert (answer.status_code, words in answer.json()["detail"]) == (403, True), answer.text


async def test_a_member_is_named_by_id_or_by_address(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        key, ben = await admin_key(gw), await joined(gw, "ben@acme.dev", research="member")
        for name in (ben.id, "ben@acme.dev", "BEN@acme.dev"):
            assert (await ask(gw, key, "GET", f"/members/{name}")).json()["id"] == ben.id
        unknown = await ask(gw, key, "DELETE", "/members/ana@acme.dev")
        assert (unknown.status_code, unknown.json()["detail"][:38]) == (404, "There is no member 'ana@acme.dev'. 'ga")
