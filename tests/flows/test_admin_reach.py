"""What somebody sees of people and grants that are of their own workspace only in part, or of one that is gone."""

from typing import Any

from tests.flows.actors import admin_key, ask, granted, invited, joined, workspace_id
from tests.flows.gateways import Gateway, gateway


async def token_of(gw: Gateway, email: str, organisation: Any = "member", **workspaces: Any) -> str:
    return (await granted(gw, (await joined(gw, email, organisation, **workspaces)).id))[1]


async def test_a_workspaces_admin_sees_of_a_members_grants_those_of_that_workspace(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        wes = await token_of(gw, "wes@acme.dev", research="admin")
        ben = await joined(gw, "ben@acme.dev", research="member", sales="member")
        here, _ = await granted(gw, ben.id, place=await workspace_id(gw, "research"))
        await granted(gw, ben.id, place=await workspace_id(gw, "sales"))
        await granted(gw, ben.id)
        for query in ("?member=ben@acme.dev", "?member=ben@acme.dev&workspace=research"):
            found = (await ask(gw, wes, "GET", f"/grants{query}")).json()["grants"]
            assert [each["id"] for each in found] == [here.id]


async def test_a_grant_for_administering_is_unknown_to_a_workspaces_admin(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        wes = await token_of(gw, "wes@acme.dev", research="admin")
        ben = await joined(gw, "ben@acme.dev", research="member")
        grant, theirs = await granted(gw, ben.id)
        answer = await ask(gw, wes, "DELETE", f"/grants/{grant.id}")
        unknown = await ask(gw, wes, "DELETE", "/grants/g-2222222222222222")
        assert answer.status_code == unknown.status_code == 404
        assert answer.text.replace(grant.id, "") == unknown.text.replace("g-2222222222222222", "")
        assert (await ask(gw, theirs, "GET", "/me")).status_code == 200
        # An auditor sees that it is there, and hears who may end it.
        auditor = await token_of(gw, "eve@acme.dev", "auditor")
        assert (await ask(gw, auditor, "DELETE", f"/grants/{grant.id}")).status_code == 403


async def test_a_members_roles_are_shown_in_the_workspaces_whose_members_one_may_see(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        wes = await token_of(gw, "wes@acme.dev", research="admin", sales="member")
        ben = await joined(gw, "ben@acme.dev", research="member", sales="admin")
        one = (await ask(gw, wes, "GET", f"/members/{ben.id}")).json()
        listed = (await ask(gw, wes, "GET", "/members?email=ben@acme.dev")).json()["members"][0]
        for told in (one, listed):
            assert told["roles"]["workspaces"] == told["given"]["workspaces"] == {"research": "member"}


async def without_sales(gw: Gateway) -> None:
    kept = {"config": {"workspaces": [{"slug": "research"}]}, "prune": True}
    assert (await ask(gw, await admin_key(gw), "POST", "/apply", kept)).status_code == 200


async def test_a_role_in_a_workspace_that_was_deleted_keeps_nobody_from_what_they_may(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        wes = await token_of(gw, "wes@acme.dev", research="admin")
        both = await invited(gw, "both@acme.dev", research="member", sales="admin")
        body = {"workspace": "research", "kind": "user", "subject": both.email}
        assert (await ask(gw, wes, "POST", "/keys", body)).status_code == 403
        assert (await ask(gw, wes, "POST", f"/members/{both.id}/invitation")).status_code == 403
        await without_sales(gw)
        assert (await ask(gw, wes, "POST", "/keys", body)).status_code == 201
        assert (await ask(gw, wes, "POST", f"/members/{both.id}/invitation")).status_code == 200
        again = await ask(gw, wes, "POST", "/members", {"email": both.email, "workspaces": {"research": "member"}})
        assert again.json()["link"] is not None
        # The next change of their roles leaves it out for good.
        await ask(gw, await admin_key(gw), "PATCH", f"/members/{both.id}", {"workspaces": {"research": "manager"}})
        after = await gw.admin.people.get(both.id)
        assert after is not None
        assert list(after.given.workspaces.values()) == ["manager"]


async def test_people_of_a_workspace_that_was_deleted_do_not_see_each_other_any_more(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        old = await token_of(gw, "old@acme.dev", sales="admin")
        ben = await joined(gw, "ben@acme.dev", sales="member")
        assert (await ask(gw, old, "GET", f"/members/{ben.id}")).status_code == 200
        await without_sales(gw)
        assert (await ask(gw, old, "GET", "/members")).json() == {"members": []}
        assert (await ask(gw, old, "GET", f"/members/{ben.id}")).status_code == 404


async def test_who_has_not_said_who_they_are_hears_nothing_of_what_is_wrong_with_their_body(tmp_path):
    async with gateway(tmp_path, {}) as gw:
        for body, given in (("{", {}), ("{", {"authorization": "Bearer x"}), ('{"x": 1}', {})):
            headers = {"content-type": "application/json", **given}
            answer = await gw.http.request("POST", f"{gw.url}/api/v1/members", content=body, headers=headers)
            assert (answer.status_code, "www-authenticate" in answer.headers) == (401, True)
        key = await admin_key(gw)
        headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
        known = await gw.http.request("POST", f"{gw.url}/api/v1/members", content="{", headers=headers)
        assert known.status_code == 422
